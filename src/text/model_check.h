// Looks over a SentencePiece model before the library loads it.
#pragma once

#include <string_view>

namespace scalekv::text {

// The library checks a model's structure, but trusts the table of character rewrites in it (a Darts double array with
// the texts it points to), so that a damaged or hostile one makes it read outside its memory. Throws Error on such a
// model, and on bytes that are no model at all. Returns the table, a part of `model`; empty where it has none.
std::string_view check_sentencepiece_model(std::string_view model);

}  // namespace scalekv::text
