// The interpreter of pickle opcodes.
#pragma once

#include "checkpoint/byte_reader.h"
#include "checkpoint/pickle_value.h"

namespace scalekv::checkpoint {

// Runs the opcodes of a pickle up to STOP, where `reader` is left, and returns its one result; the values are left in
// `all`. Throws Error on opcodes that are damaged, not allowed or too many.
ValueId run_pickle(ByteReader& reader, PickledValues& all);

}  // namespace scalekv::checkpoint
