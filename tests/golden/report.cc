#include "golden/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace scalekv::golden {
namespace {

// Families whose every tensor has to be checked.
constexpr std::array kKnown = {"txt.", "full.", "full_cabf16.", "skv.", "skv_stable.", "enc.", "dec.", "rope."};

bool is_known(const std::string& name) {
  return std::any_of(kKnown.begin(), kKnown.end(), [&](const char* family) { return name.starts_with(family); });
}

}  // namespace

void Report::line(const std::string& name, const std::string& figures, const std::string& verdict) {
  fmt::print("{:<34} {:<52} {}\n", name, figures, verdict);
}

void Report::begin(const Fixture& fixture) {
  seen_.clear();
  fmt::print("== {}\n", fixture.path().string());
}

void Report::finish(const Fixture& fixture) {
  // A fixture of units holds nothing but what is to be checked.
  const bool unit = !fixture.has("gpt.word_embed.weight") && fixture.names("vae.").empty();
  for (const std::string& name : fixture.names()) {
    if (seen_.contains(name)) continue;
    if (unit || is_known(name)) {
      ++unchecked_;
      line(name, fmt::format("{} not checked", fixture.shape(name).to_string()), "MISS");
    } else {
      line(name, fmt::format("{} of no known family, not checked", fixture.shape(name).to_string()), "?");
    }
  }
}

void Report::verdict(const std::string& name, bool ok, const std::string& detail) {
  seen_.insert(name);
  ++checked_;
  if (!ok) ++missed_;
  line(name, detail, ok ? "ok" : "MISS");
}

void Report::compare(const std::string& name, std::span<const float> expected, std::span<const float> actual,
                     double noise) {
  if (expected.size() != actual.size()) {
    verdict(name, false, fmt::format("{} values expected, {} computed", expected.size(), actual.size()));
    return;
  }
  double largest = 0.0;
  double difference = 0.0;
  double norm = 0.0;
  std::size_t other_infinities = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = expected[i];
    const double b = actual[i];
    if (!std::isfinite(a) || !std::isfinite(b)) {
      if (a != b) ++other_infinities;
      continue;
    }
    largest = std::max(largest, std::abs(a - b));
    difference += (a - b) * (a - b);
    norm += a * a;
  }
  const double relative = norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  // Where everything cancels, what is left is rounding.
  const bool nothing = norm <= kNothing * kNothing * static_cast<double>(expected.size()) && largest <= kNothing;
  std::string figures = fmt::format("max abs {:.2e}  relative {:.2e}", largest, relative);
  if (other_infinities > 0) figures += fmt::format("  {} values infinite or NaN in one only", other_infinities);
  verdict(name, (relative <= kTolerance || largest <= noise || nothing) && other_infinities == 0, figures);
}

void Report::exact(const std::string& name, std::span<const std::int64_t> expected,
                   std::span<const std::int64_t> actual) {
  if (expected.size() != actual.size()) {
    verdict(name, false, fmt::format("{} values expected, {} computed", expected.size(), actual.size()));
    return;
  }
  std::size_t differences = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) differences += expected[i] != actual[i] ? 1U : 0U;
  verdict(name, differences == 0,
          differences == 0 ? fmt::format("identical ({} values)", expected.size())
                           : fmt::format("differs at {} of {} places", differences, expected.size()));
}

void Report::pixels(const std::string& name, std::span<const std::int64_t> expected, const Pixels& actual) {
  if (expected.size() != actual.values.size()) {
    verdict(name, false, fmt::format("{} values expected, {} computed", expected.size(), actual.values.size()));
    return;
  }
  std::size_t differences = 0;
  std::size_t wrong = 0;
  std::size_t beyond = 0;
  double farthest = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == actual.values[i]) continue;
    ++differences;
    const double distance = std::abs(actual.exact[i] - std::round(actual.exact[i]));
    farthest = std::max(farthest, distance);
    if (distance > kStep) ++beyond;
    if (std::abs(expected[i] - actual.values[i]) > 1 || distance > kStepNoise) ++wrong;
  }
  verdict(name, wrong == 0,
          differences == 0
              ? fmt::format("identical ({} values)", expected.size())
              : fmt::format("{} of {} differ, {} of them over 1e-3 from a step (farthest {:.1e}), {} wrong",
                            differences, expected.size(), beyond, farthest, wrong));
}

void Report::skip(const std::string& name, const std::string& reason) {
  seen_.insert(name);
  ++skipped_;
  line(name, reason, "skipped");
}

void Report::input_prefix(const Fixture& fixture, const std::string& prefix) {
  for (const std::string& name : fixture.names(prefix)) seen_.insert(name);
}

}  // namespace scalekv::golden
