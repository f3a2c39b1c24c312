#include "cli/program.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "kernels/machine.h"

namespace scalekv::cli {

std::unique_ptr<CLI::App> make_program() {
  auto program = std::make_unique<CLI::App>(
      "Text to image with Infinity models on CPUs, with a KV cache of a tenth of its size (ScaleKV).", "scalekv");
  program->require_subcommand(1);
  program->set_version_flag("--version", [] {
    return fmt::format("scalekv {}\nkernels: {}", SCALEKV_VERSION, kernels::machine_description());
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
