// The interpreter of pickle opcodes, and those that need none: they push one value of their own (numbers, texts, bytes,
// empty containers).
#pragma once

#include "formats/byte_reader.h"
#include "formats/pickle_value.h"

namespace scalekv::formats {

// Runs the opcodes of a pickle up to STOP, where `reader` is left, and returns its one result; the values are left in
// `all`. Throws Error on opcodes that are damaged, not allowed or too many.
ValueId run_pickle(ByteReader& reader, PickledValues& all);

// The value that `opcode` pushes, for which `reader` moves on behind its bytes; none where it is of another sort.
// Throws Error where the bytes are damaged.
std::optional<PickledValue> read_scalar(unsigned char opcode, ByteReader& reader);

}  // namespace scalekv::formats
