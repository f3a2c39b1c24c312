// Options that several commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "scalekv/scalekv.h"

namespace scalekv::cli {

// Which model to open, and how to talk.
struct ModelOptions {
  std::filesystem::path model;
  OpenOptions open;
  bool random = false;
  bool quiet = false;
  bool json = false;

  void add_to(CLI::App& command);
  // `open`. Throws UsageError on options that make no sense together.
  OpenOptions checked() const;
  Pipeline open_pipeline() const;
  // The same for one request: throws Error at once, with advice, where it takes more memory than there is.
  Pipeline open_pipeline(const Request& request) const;
};

// What to draw: everything of a Request but the prompt's source.
struct RequestOptions {
  Request request;
  bool random_seed = false;  // the seed was drawn by chance
  std::string aspect = "square";
  std::string budget = "10%";

  void add_to(CLI::App& command);
  // The request, with texts turned into numbers. Throws UsageError.
  Request parsed() const;
};

// The policy that a request's settings (Pipeline::describe, or a policy's facts) come to, and why:
// "adaptive 10% (auto: a calibration fits the model and the picture)".
std::string cache_line(const std::map<std::string, std::string>& settings);

// Throws Error now rather than after the work when a file at `path` could not be written.
void check_writable(const std::filesystem::path& path);

}  // namespace scalekv::cli
