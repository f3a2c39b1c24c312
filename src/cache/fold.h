// Folding: the tokens that a policy drops from a head become one token, instead of being forgotten. Its key and value
// are the means of theirs, and log(their number) is added to its attention scores, so that the softmax counts it as
// that many tokens.
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
// result takes. A token that was folded earlier counts as many times as it stands for tokens.
Fold fold_dropped(const SelectionInput& input, std::span<const std::int32_t> kept, std::int32_t slot);

}  // namespace scalekv::cache
