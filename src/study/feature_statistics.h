// What FID and KID compare: mean and covariance of features, gathered one picture at a time, and single features.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace scalekv::study {

// Of features of d numbers, in float64.
struct FeatureStatistics {
  std::int64_t pictures = 0;       // 0 where a file did not say
  std::vector<double> mean;        // [d]
  std::vector<double> covariance;  // [d, d], of the sample: divided by pictures - 1
};

// Memory does not grow with the number of pictures. The result depends on their order alone.
class FeatureAccumulator {
 public:
  void add(std::span<const float> features);
  // Throws Error where there are fewer than two pictures.
  FeatureStatistics statistics() const;

 private:
  void flush();

  std::int64_t pictures_ = 0;
  std::vector<double> origin_;    // the first features; all others are counted from it, so that nothing cancels out
  std::vector<double> pending_;   // [up to kBlock, d], from the origin
  std::vector<double> sum_;       // [d]
  std::vector<double> products_;  // [d, d], the lower triangle: sum of x x^T
};

// Frechet distance of the two Gaussians: |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)).
// Throws Error where the dimensions differ or a covariance has a negative eigenvalue.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b);

// Features of pictures one after another: [pictures, size].
struct FeatureList {
  std::int64_t size = 0;
  std::vector<float> values;

  std::int64_t pictures() const { return size == 0 ? 0 : static_cast<std::int64_t>(values.size()) / size; }
};

inline constexpr std::int64_t kLargestSubset = 1000;

// KID (Binkowski et al., arXiv 1801.01401): the squared maximum mean discrepancy of two sets of features under the
// kernel (x.y / d + 1)^3, without bias. As clean-fid: the mean over 100 subsets of min(kLargestSubset, the shorter
// list) features of each. Which ones is drawn from Philox, so the same lists give the same number. Throws Error where a
// list has fewer than two.
double kernel_distance(const FeatureList& a, const FeatureList& b);

// Statistics files of FID: .npz with `mu` and `sigma`, as clean-fid and pytorch-fid store them. KID needs `feats` [n,
// d], the features of every picture, which clean-fid stores in a file of its own.
struct StoredFeatures {
  FeatureStatistics statistics;
  FeatureList list;  // empty where the file holds none
};

// Statistics that a file does not hold are those of its features. Throws Error naming the file where an array is
// missing, has another shape, or is no covariance.
StoredFeatures read_features(const std::filesystem::path& path);

// With the features of every picture, unless the list is empty. Throws Error naming the path where it cannot be
// written.
void write_features(const std::filesystem::path& path, const FeatureStatistics& statistics,
                    const FeatureList& list = {});

}  // namespace scalekv::study
