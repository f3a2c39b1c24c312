// Statistics files of FID: .npz with `mu` and `sigma`, as clean-fid and pytorch-fid store them.
#pragma once

#include <filesystem>

#include "eval/feature_statistics.h"

namespace scalekv::eval {

// Throws Error naming the file where an array is missing, has another shape, or is no covariance.
FeatureStatistics read_statistics(const std::filesystem::path& path);

// Throws Error naming the path where it cannot be written.
void write_statistics(const std::filesystem::path& path, const FeatureStatistics& statistics);

}  // namespace scalekv::eval
