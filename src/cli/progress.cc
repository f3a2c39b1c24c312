#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <set>

namespace scalekv::cli {
namespace {

volatile std::sig_atomic_t interrupts = 0;

void on_interrupt(int) {
  if (interrupts != 0) ::_exit(130);  // the second Ctrl-C does not wait for the scale to end
  interrupts = 1;
}

}  // namespace

std::function<void(const std::string&)> warn_once() {
  return [said = std::set<std::string>()](const std::string& sentence) mutable {
    if (!said.insert(sentence).second) return;
    fmt::print(stderr, "{}scalekv: {}\n", ::isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "", sentence);
  };
}

ProgressBar::ProgressBar(std::string_view title, bool quiet)
    : title_(title), shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (shown_) fmt::print(stderr, "\r\033[K");
}

void ProgressBar::show(double share, std::string_view detail) {
  if (!shown_) return;
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(share * kWidth);
  fmt::print(stderr, "\r\033[K{} [{:#<{}}{:.<{}}] {}", title_, "", filled, "", kWidth - filled, detail);
  std::fflush(stderr);
}

bool ProgressBar::interrupted() { return interrupts != 0; }

WorkCallback ProgressBar::work() {
  return [this](double share, std::string_view what) {
    show(share, what);
    return !interrupted();
  };
}

ProgressCallback ProgressBar::callback() {
  return [this](const Progress& progress) {
    const double of_image = static_cast<double>(progress.scale) / progress.scales;
    const std::string image =
        progress.images > 1 ? fmt::format("image {}/{}, ", progress.image + 1, progress.images) : "";
    show((progress.image + of_image) / progress.images,
         fmt::format("{}scale {}/{}", image, progress.scale, progress.scales));
    return !interrupted();
  };
}

}  // namespace scalekv::cli
