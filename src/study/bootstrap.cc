#include "study/bootstrap.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "runtime/philox.h"

namespace scalekv::study {

Estimate bootstrap_mean(std::span<const double> values) {
  SCALEKV_ASSERT(!values.empty());
  constexpr std::uint32_t kResamples = 1000;
  constexpr std::uint64_t kSeed = 20251126;
  const auto count = static_cast<double>(values.size());
  std::vector<double> means;
  for (std::uint32_t resample = 0; resample < kResamples; ++resample) {
    double sum = 0.0;
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      const auto picked = static_cast<std::size_t>(double{uniform(kSeed, {resample, i, 0, 0})} * count);
      sum += values[picked];
    }
    means.push_back(sum / count);
  }
  std::sort(means.begin(), means.end());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  return {mean, means[kResamples / 40], means[kResamples - 1 - kResamples / 40]};
}

}  // namespace scalekv::study
