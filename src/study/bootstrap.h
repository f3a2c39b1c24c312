// Confidence intervals of means.
#pragma once

#include <span>

#include "scalekv/evaluate.h"

namespace scalekv::study {

// The mean with the 2.5% and 97.5% quantiles of the means of 1,000 resamples (percentile bootstrap, Efron 1979). The
// resamples are the same in every run. Values: at least one.
Estimate bootstrap_mean(std::span<const double> values);

}  // namespace scalekv::study
