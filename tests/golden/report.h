// What the checker says: one line a tensor, and the counts.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "golden/fixture.h"

namespace scalekv::golden {

// A picture in 8-bit values, and what they were before truncation.
struct Pixels {
  std::vector<std::int64_t> values;
  std::vector<double> exact;
};

class Report {
 public:
  // Relative L2 error that is accepted.
  static constexpr double kTolerance = 1e-4;
  // Root mean square and largest error of a tensor that is zero but for rounding.
  static constexpr double kNothing = 1e-6;
  // Distance from a whole number, of 255, at which truncation may go either way. Beyond kStep it is counted, and
  // accepted up to kStepNoise: the reference's float32 pictures are themselves up to 3.7e-3 off a float64 decoder's.
  static constexpr double kStep = 1e-3;
  static constexpr double kStepNoise = 5e-3;

  void begin(const Fixture& fixture);
  // Lists the tensors that nobody checked; those of `known` families count as misses.
  void finish(const Fixture& fixture);

  // Floats; -inf must be in the same places. noise: largest error that is accepted whatever the relative one.
  void compare(const std::string& name, std::span<const float> expected, std::span<const float> actual,
               double noise = 0.0);
  // Integers, all of them equal.
  void exact(const std::string& name, std::span<const std::int64_t> expected, std::span<const std::int64_t> actual);
  // 8-bit pictures: off by one only where the value before truncation is within kStepNoise of a step.
  void pixels(const std::string& name, std::span<const std::int64_t> expected, const Pixels& actual);
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
