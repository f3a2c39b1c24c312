// The log of an evaluation: one line a sample, written as they come, so that an evaluation that was cut short goes on
// where it stopped.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/settings.h"
#include "study/evaluation.h"

namespace scalekv::study {

// The settings of the log at `path`; none where there is no log, or none that can be read.
Settings recorded_settings(const std::filesystem::path& path);

class EvaluationLog {
 public:
  // Opens the log at `path`, or begins one. settings: what all samples have in common. prompt_sha256: of every prompt
  // (EvaluationPrompts::sha256). Throws Error where the log's differ from them, or with the line that is no sample. The
  // list may have grown since, or shrunk. A last line that was cut short is dropped.
  EvaluationLog(std::filesystem::path path, const Settings& settings, std::vector<std::string> prompt_sha256);

  const std::vector<Sample>& samples() const { return samples_; }
  bool has(const PolicySetting& setting, std::size_t prompt) const;
  void add(Sample sample);

 private:
  // The samples of a log that is there.
  void read(const std::string& text, const Settings& settings);

  std::filesystem::path path_;
  std::vector<std::string> prompt_sha256_;
  std::vector<Sample> samples_;
};

}  // namespace scalekv::study
