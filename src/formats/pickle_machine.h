// The interpreter of pickle opcodes.
#pragma once

#include "formats/byte_reader.h"
#include "formats/pickle_value.h"

namespace scalekv::formats {

// Runs the opcodes of a pickle up to STOP, where `reader` is left, and returns its one result; the values are left in
// `all`. Throws Error on opcodes that are damaged, not allowed or too many.
ValueId run_pickle(ByteReader& reader, PickledValues& all);

}  // namespace scalekv::formats
