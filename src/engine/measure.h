// One request, run with a clock in every stage.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/model.h"
#include "engine/operations.h"

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
  // Scales to run; 0: all. Fewer make a short measurement of a large model.
  int scales = 0;
  bool decode = true;
  // GOP/s of this machine's products of matrices (kernels::measure_gemm_peak): what components are held against. Empty:
  // their peaks stay 0.
  std::function<double(WeightType)> product_rate = {};
};

// Draws min(batch, images) pictures of the request together.
Measurement measure(const Model& model, const model::ModelSizes& sizes, const Request& request,
                    const MeasureOptions& options);

}  // namespace scalekv::engine
