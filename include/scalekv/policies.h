// The names that requests and options take.
#pragma once

#include <string>
#include <vector>

#include "scalekv/api.h"

namespace scalekv {

// A policy of the KV cache (docs/ALGORITHM.md).
struct PolicyFacts {
  std::string name;
  std::string summary;             // one line for people
  bool chooses = false;            // "auto": it comes to one of the others
  bool keeps_all = false;          // whatever budget is asked for
  bool takes_selector = false;     // reads CacheSettings::selector
  bool takes_calibration = false;  // can use a calibration of the model
  bool needs_calibration = false;  // throws without one
  bool allocates = false;          // calibrate() can write budgets for it
};

// In the order to show them.
SCALEKV_API std::vector<PolicyFacts> policies();
// Of scalekv and scalekv-first: CacheSettings::selector, the default first.
SCALEKV_API std::vector<std::string> selectors();
// Request::size, smallest first.
SCALEKV_API std::vector<std::string> sizes();
// CacheSettings::precision and OpenOptions::weights, the most exact first.
SCALEKV_API std::vector<std::string> kv_precisions();
SCALEKV_API std::vector<std::string> weight_types();
// OpenOptions::random_architecture: the released models.
SCALEKV_API std::vector<std::string> architectures();
// Where models run on this machine, with the instruction sets that are used of it.
SCALEKV_API std::vector<std::string> devices();

}  // namespace scalekv
