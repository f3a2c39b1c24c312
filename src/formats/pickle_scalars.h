// Opcodes of a pickle that push one value of their own: numbers, texts, bytes, empty containers.
#pragma once

#include <optional>

#include "formats/byte_reader.h"
#include "formats/pickle_value.h"

namespace scalekv::formats {

// The value, for which `reader` moves on behind its bytes; none where `opcode` is of another sort. Throws Error where
// the bytes are damaged.
std::optional<PickledValue> read_scalar(unsigned char opcode, ByteReader& reader);

}  // namespace scalekv::formats
