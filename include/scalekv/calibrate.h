// Calibration: what attention does in a model, measured while it draws with the full cache, and budgets that policies
// allocate from that (docs/ALGORITHM.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "scalekv/api.h"
#include "scalekv/pipeline.h"

namespace scalekv {

struct CalibrateOptions {
  // The file of measurements, written after every prompt: what CacheSettings::calibration names. Where it is there
  // already, of the same prompts and settings, measuring goes on behind it.
  std::filesystem::path out = "calibration.json";
  bool fresh = false;  // begin anew
  // Also allocate for this policy (PolicyFacts::allocates) and share, into a file for CacheSettings::budgets; empty: do
  // not.
  std::string policy = {};
  double budget = 0.10;
  std::filesystem::path budgets = {};
  bool published = false;  // of scalekv: in the shape of the ScaleKV repository's files
};

// What was found. A scale's number counts from 1.
struct Calibration {
  std::string model;
  std::int64_t prompts = 0;
  std::map<int, std::vector<int>> drafters;           // by scale: the layers that scalekv takes for drafters
  std::vector<std::vector<double>> selectivity;       // Attention Selectivity Index, [scale][layer]; low: drafter
  std::vector<std::vector<double>> head_selectivity;  // mean over scales, [layer][head]
};

// Draws every prompt of the list with the full cache, prompt i with the request's seed + i. Of the request count seed,
// size, aspect, guidance and temperature; not its prompt and cache. Ten prompts are enough. After a stop (Cancelled)
// the next call goes on. Throws UsageError where prompts are empty or there is no such policy, Error where the file is
// of another calibration, or memory does not suffice.
SCALEKV_API Calibration calibrate(Pipeline& pipeline, const Request& request, const std::vector<std::string>& prompts,
                                  const CalibrateOptions& options = {}, const WorkCallback& progress = {});

}  // namespace scalekv
