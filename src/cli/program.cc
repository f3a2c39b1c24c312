#include "cli/program.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "kernels/machine.h"
#include "kernels/products.h"
#include "runtime/pool.h"
#include "runtime/weight_type.h"
#include "scalekv/version.h"

namespace scalekv::cli {
namespace {

// What multiplies by a matrix; a small one is asked for, whose product is tried in no time.
std::string product(WeightType type) {
  constexpr std::int64_t kWidth = 64;
  return kernels::product_name(type, kWidth, kWidth);
}

}  // namespace

std::unique_ptr<CLI::App> make_program() {
  auto program = std::make_unique<CLI::App>(
      "Text to image with Infinity models on CPUs, with a KV cache of a tenth of its size (ScaleKV).", "scalekv");
  program->require_subcommand(1);
  program->set_version_flag("--version", [] {
    return fmt::format("scalekv {}\nprocessor: {}\nkernels: {}\nproducts: {}, {}, {}\nlibraries: {}, {}", version(),
                       kernels::processor_name(), kernels::machine_description(), product(WeightType::f32),
                       product(WeightType::bf16), product(WeightType::int8), kernels::library_versions(),
                       threads_library());
  });
  program->footer(
      "Examples:\n"
      "  scalekv generate \"a red ring above a blue square\" -o ring.png\n"
      "  scalekv compare \"two green stars\" --budget 4%\n"
      "  scalekv COMMAND --help");
  add_commands(*program);
  return program;
}

}  // namespace scalekv::cli
