// Confidence intervals of means.
#pragma once

#include <span>

namespace scalekv::study {

struct Estimate {
  double mean = 0.0;
  double low = 0.0;  // 95% confidence interval
  double high = 0.0;
};

// The mean with the 2.5% and 97.5% quantiles of the means of 1,000 resamples (percentile bootstrap, Efron 1979). The
// resamples are the same in every run. Values: at least one.
Estimate bootstrap_mean(std::span<const double> values);

}  // namespace scalekv::study
