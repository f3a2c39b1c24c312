// One request, run with a clock in every stage.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/operations.h"
#include "engine/resolved_request.h"
#include "runtime/stopwatch.h"
#include "runtime/weight_type.h"

namespace scalekv::engine {

// What a part of the engine did, and how long it took.
struct Component {
  std::string name;  // "text encoder", "linear", "attention", "cross-attention", "selection", "rest", "VAE"
  int scale = -1;    // index; -1: of the whole picture
  Work work = {};    // none where there is nothing but moving bytes
  double seconds = 0.0;
  WeightType type = WeightType::f32;  // in which it computes
  double peak = 0.0;                  // GOP/s of this machine's products of matrices of that type around that time
};

struct Measurement {
  std::vector<Component> components;
  double seconds = 0.0;  // everything
  double seconds_text = 0.0;
  double seconds_transformer = 0.0;
  double seconds_decode = 0.0;
  std::int64_t kv_bytes_peak = 0;   // the ledger's
  std::int64_t ledger_peak = 0;     // of all kinds
  std::int64_t rss_peak_bytes = 0;  // the process's, since the measurement began where the system can tell

  // The least and the most that products of matrices reached (GOP/s), by the type of the weights.
  std::map<WeightType, std::pair<double, double>> peaks;

  // All components of a name together; `peak` is the rate at which each would have run at its own.
  Component sum(const std::string& name) const;
};

struct MeasureOptions {
  std::int64_t prompt_tokens = 32;
  // false: random features take the place of a text, and the text encoder is not loaded.
  bool text_encoder = true;
  bool decode = true;
  // GOP/s of this machine's products of matrices (kernels::measure_gemm_peak): what components are held against. Empty:
  // their peaks stay 0.
  std::function<double(WeightType)> product_rate = {};
};

// Draws as many pictures of the request as are drawn together.
Measurement measure(const Model& model, const ResolvedRequest& request, const MeasureOptions& options);

// What a machine's products of matrices reach while something else is measured. A processor's rate falls as it warms
// and as its neighbours work, by a quarter within seconds. What took a minute is therefore held against products
// before, during and after it, and not against the best of them.
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
