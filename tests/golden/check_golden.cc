// check-golden FILE...: runs the engine stage by stage against fixtures dumped from the reference. One line a tensor,
// exit code 1 on any miss or any tensor left unchecked, 2 where a file cannot be read.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <exception>
#include <vector>

#include "base/error.h"
#include "golden/checks.h"
#include "runtime/runtime.h"

namespace scalekv::golden {
namespace {

constexpr std::array kChecks = {check_model,  check_vae,     check_block,    check_resampling, check_quantizer,
                                check_rotary, check_sampler, check_selector, check_schedules};

void check_fixture(const Fixture& fixture, Report& report) {
  report.begin(fixture);
  const int before = report.checked();
  for (const auto& check : kChecks) {
    try {
      check(fixture, report);
    } catch (const std::exception& error) {
      report.verdict("error", false, error.what());
    }
  }
  if (report.checked() == before) report.verdict("fixture", false, "nothing in it is known");
  report.finish(fixture);
}

int run(const std::vector<std::filesystem::path>& arguments) {
  std::vector<std::filesystem::path> stems;
  for (const std::filesystem::path& argument : arguments) {
    const std::filesystem::path stem = Fixture::stem(argument);
    if (std::find(stems.begin(), stems.end(), stem) == stems.end()) stems.push_back(stem);
  }
  Report report;
  int unreadable = 0;
  for (const std::filesystem::path& stem : stems) {
    try {
      check_fixture(Fixture(stem), report);
    } catch (const std::exception& error) {
      fmt::print(stderr, "check-golden: {}\n", error.what());
      ++unreadable;
    }
  }
  fmt::print("{} fixtures, {} unreadable: {} checks, {} missed, {} skipped with a reason, {} tensors unchecked\n",
             stems.size(), unreadable, report.checked(), report.missed(), report.skipped(), report.unchecked());
  if (unreadable > 0) return 2;
  return report.missed() + report.unchecked() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace scalekv::golden

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  if (argc < 2) {
    fmt::print(stderr, "usage: check-golden FILE...   (.safetensors, .json or what they have in common)\n");
    return 2;
  }
  return scalekv::golden::run({argv + 1, argv + argc});
}
