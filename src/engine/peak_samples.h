// What a machine's products of matrices reach while something else is measured.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "runtime/stopwatch.h"
#include "runtime/weight_type.h"

namespace scalekv::engine {

// A processor's rate falls as it warms and as its neighbours work, by a quarter within seconds. What took a minute is
// therefore held against products before, during and after it, and not against the best of them.
class PeakSamples {
 public:
  // GOP/s, by the type of the weights.
  using Rates = std::map<WeightType, double>;

  // measure: the rate right now.
  PeakSamples(std::set<WeightType> types, std::function<double(WeightType)> measure)
      : types_(std::move(types)), measure_(std::move(measure)) {}

  // Measures now: some tenths of a second for a type. Returns the means of this sample and of the one before.
  Rates take();
  // Whether the last sample is so old that another one does not weigh.
  bool due() const { return since_last_.seconds() > kSecondsBetween; }

  // The least and the most of each.
  const std::map<WeightType, std::pair<double, double>>& ranges() const { return ranges_; }

 private:
  static constexpr double kSecondsBetween = 5.0;

  std::set<WeightType> types_;
  std::function<double(WeightType)> measure_;
  Rates last_;
  std::map<WeightType, std::pair<double, double>> ranges_;
  Stopwatch since_last_;
};

}  // namespace scalekv::engine
