// The names that requests and options take.
#pragma once

#include <string>
#include <vector>

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
std::vector<PolicyFacts> policies();
// Of scalekv and scalekv-first: CacheSettings::selector, the default first.
std::vector<std::string> selectors();
// Request::size, smallest first.
std::vector<std::string> sizes();
// CacheSettings::precision and OpenOptions::weights, the most exact first.
std::vector<std::string> kv_precisions();
std::vector<std::string> weight_types();
// OpenOptions::random_architecture: the released models.
std::vector<std::string> architectures();
// Where models run on this machine, with the instruction sets that are used of it.
std::vector<std::string> devices();

}  // namespace scalekv
