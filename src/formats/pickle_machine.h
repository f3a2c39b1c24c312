// The interpreter of pickle opcodes, and those that need none: they push one value of their own (numbers, texts, bytes,
// empty containers).
#pragma once

#include <string>
#include <string_view>

#include "formats/byte_reader.h"
#include "formats/pickle_value.h"

namespace scalekv::formats {

// Runs the opcodes of a pickle up to STOP, where `reader` is left, and returns its one result; the values are left in
// `all`. Throws Error on opcodes that are damaged, not allowed or too many.
ValueId run_pickle(ByteReader& reader, PickledValues& all);

// The value that `opcode` pushes, for which `reader` moves on behind its bytes; none where it is of another sort.
// Throws Error where the bytes are damaged.
std::optional<PickledValue> read_scalar(unsigned char opcode, ByteReader& reader);

// Throws Error where the global `name` of `module` has no business in a file of weights: who writes it wants code to
// run. The list is in harmful_globals.cc; `where` is for the message. Not to be on it means
// nothing but that the name is a label: no global is ever looked up or called.
void refuse_harmful_global(std::string_view module, std::string_view name, const std::string& where);

}  // namespace scalekv::formats
