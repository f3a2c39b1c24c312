// Merging: what a policy drops from a head is folded into one token that speaks for all of it, instead of being
// forgotten. Its key and value are the means of theirs, and log(their number) is added to its attention scores: to the
// softmax it is as many tokens as it stands for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/selector.h"

namespace scalekv::cache {

// The means of the tokens that are folded, and the log of how many they are.
struct Fold {
  std::vector<float> key, value;  // [head size]
  float log_count = 0.0F;
};

// Folds every cache token that is not in `kept` (ascending), and the kept one at cache index `slot`, whose place the
// result takes. A token that is itself the result of folding counts as often as it stands for.
Fold fold_dropped(const SelectionInput& input, std::span<const std::int32_t> kept, std::int32_t slot);

}  // namespace scalekv::cache
