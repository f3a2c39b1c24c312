// KID (Binkowski et al., arXiv 1801.01401): the squared maximum mean discrepancy of two sets of features under the
// kernel (x.y / d + 1)^3, without bias.
#pragma once

#include <cstdint>
#include <vector>

namespace scalekv::study {

// Features of pictures one after another: [pictures, size].
struct FeatureList {
  std::int64_t size = 0;
  std::vector<float> values;

  std::int64_t pictures() const { return size == 0 ? 0 : static_cast<std::int64_t>(values.size()) / size; }
};

inline constexpr std::int64_t kLargestSubset = 1000;

// As clean-fid: the mean over 100 subsets of min(kLargestSubset, the shorter list) features of each. Which ones is
// drawn from Philox, so the same lists give the same number. Throws Error where a list has fewer than two.
double kernel_distance(const FeatureList& a, const FeatureList& b);

}  // namespace scalekv::study
