// Statistics files of FID: .npz with `mu` and `sigma`, as clean-fid and pytorch-fid store them. KID needs `feats` [n,
// d], the features of every picture, which clean-fid stores in a file of its own.
#pragma once

#include <filesystem>

#include "study/feature_statistics.h"

namespace scalekv::study {

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
