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
  std::string memory_limit;
  bool quiet = false;
  bool json = false;

  void add_to(CLI::App& command);
  // What `open` becomes, for a plan and for opening. Both throw UsageError on options that make no sense.
  OpenOptions planned() const;
  OpenOptions checked() const;
  Pipeline open_pipeline() const;
  // The same for one request: throws Error at once, with advice, where it takes more memory than there is.
  Pipeline open_pipeline(const Request& request) const;
};

// What to draw: everything of a Request but the prompt's source.
struct RequestOptions {
  Request request;
  std::string aspect = "square";
  std::string budget = "10%";

  void add_to(CLI::App& command);
  // The request, with texts turned into numbers. Throws UsageError.
  Request parsed() const;
};

// The policy that a request's settings (Pipeline::describe, or a policy's facts) come to, and why:
// "adaptive 10% (auto: a calibration fits the model and the picture)".
std::string cache_line(const std::map<std::string, std::string>& settings);

// "8G", "512M", "0.5G" or bytes -> bytes. Throws UsageError with the accepted forms.
std::int64_t parse_bytes(const std::string& text);

// Throws Error now rather than after the work when a file at `path` could not be written.
void check_writable(const std::filesystem::path& path);

}  // namespace scalekv::cli
