// A selector that always keeps the beginning of the history, and leaves the choice among the rest to another one.
#pragma once

#include <cstdint>
#include <memory>

#include "cache/selector.h"

namespace scalekv::cache {

// Keeps the first `tokens` tokens of a head's history, as many as its capacity allows. `inner`, which has a rule, fills
// what is left: it sees the other tokens alone, as if those in front were not there.
std::shared_ptr<const Selector> keep_first(std::int64_t tokens, std::shared_ptr<const Selector> inner);

}  // namespace scalekv::cache
