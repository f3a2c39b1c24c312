#include "engine/peak_samples.h"

#include <algorithm>
#include <utility>

namespace scalekv::engine {

PeakSamples::Rates PeakSamples::take() {
  Rates means;
  for (const WeightType type : types_) {
    const double rate = measure_(type);
    double& last = last_.try_emplace(type, rate).first->second;
    means[type] = (std::exchange(last, rate) + rate) / 2.0;
    auto& [least, most] = ranges_.try_emplace(type, rate, rate).first->second;
    least = std::min(least, rate);
    most = std::max(most, rate);
  }
  since_last_.lap();
  return means;
}

}  // namespace scalekv::engine
