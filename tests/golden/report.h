// What the checker says: one line a tensor, and the counts.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "golden/fixture.h"

namespace scalekv::golden {

class Report {
 public:
  // Relative L2 error that is accepted.
  static constexpr double kTolerance = 1e-4;
  // Root mean square and largest error of a tensor that is zero but for rounding.
  static constexpr double kNothing = 1e-6;

  void begin(const Fixture& fixture);
  // Lists the tensors that nobody checked; those of `known` families count as misses.
  void finish(const Fixture& fixture);

  // Floats; -inf must be in the same places.
  void compare(const std::string& name, std::span<const float> expected, std::span<const float> actual);
  // Integers, all of them equal.
  void exact(const std::string& name, std::span<const std::int64_t> expected, std::span<const std::int64_t> actual);
  // 8-bit pictures: off by one where float32 noise crosses a step, in at most 1 of 1000 values.
  void pixels(const std::string& name, std::span<const std::int64_t> expected, std::span<const std::int64_t> actual);
  // A verdict that was reached elsewhere.
  void verdict(const std::string& name, bool ok, const std::string& detail);
  void skip(const std::string& name, const std::string& reason);
  // A tensor that was read as an input.
  void input(const std::string& name) { seen_.insert(name); }
  void input_prefix(const Fixture& fixture, const std::string& prefix);

  int checked() const { return checked_; }
  int missed() const { return missed_; }
  int skipped() const { return skipped_; }
  int unchecked() const { return unchecked_; }

 private:
  void line(const std::string& name, const std::string& figures, const std::string& verdict);

  std::set<std::string> seen_;
  int checked_ = 0;
  int missed_ = 0;
  int skipped_ = 0;
  int unchecked_ = 0;
};

}  // namespace scalekv::golden
