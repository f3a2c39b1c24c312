// A progress bar on standard error, for terminals only.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "scalekv/progress.h"

namespace scalekv::cli {

// A function that prints a sentence on standard error, in the place of a bar that may stand there; each but once.
std::function<void(const std::string&)> warn_once();

class ProgressBar {
 public:
  // Shows nothing when `quiet` or where standard error is no terminal.
  ProgressBar(std::string_view title, bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(double share, std::string_view detail);
  // Whether there is a terminal to show it on.
  bool shown() const { return shown_; }
  // Whether SIGINT (Ctrl-C) or SIGTERM came.
  static bool interrupted();
  // For Pipeline::run; stops the run after Ctrl-C.
  ProgressCallback callback();
  // For work on files and lists; stops it after Ctrl-C. The bar outlives it.
  WorkCallback work();

 private:
  void clear();

  std::string title_;
  bool shown_;
};

}  // namespace scalekv::cli
