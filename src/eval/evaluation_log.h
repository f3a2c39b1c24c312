// The log of an evaluation: one line a sample, written as they come, so that an evaluation that was cut short goes on
// where it stopped.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/evaluation.h"

namespace scalekv::eval {

class EvaluationLog {
 public:
  // Opens the log at `path`, or begins one. `heading` is what the evaluation is of (model, settings, fingerprint): a
  // log with another heading is somebody else's. A last line that was cut short is dropped. Throws Error with the line.
  EvaluationLog(std::filesystem::path path, const std::string& heading);

  const std::vector<Sample>& samples() const { return samples_; }
  bool has(const PolicySetting& setting, std::size_t prompt) const;
  void add(Sample sample);

 private:
  std::filesystem::path path_;
  std::vector<Sample> samples_;
};

}  // namespace scalekv::eval
