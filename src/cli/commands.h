// The subcommands: each adds itself to the program with its options and what it does. They throw Error and UsageError,
// which main() turns into one sentence and an exit code.
#pragma once

#include <CLI/CLI.hpp>

// All of them, in the order that --help shows. A file of this room defines add_NAME_command().
#define SCALEKV_COMMANDS(COMMAND) \
  COMMAND(generate)               \
  COMMAND(compare)                \
  COMMAND(sample)                 \
  COMMAND(reconstruct)            \
  COMMAND(inspect)                \
  COMMAND(tokenize)               \
  COMMAND(convert)                \
  COMMAND(calibrate)              \
  COMMAND(metrics)                \
  COMMAND(report)                 \
  COMMAND(evaluate)               \
  COMMAND(evaluate_shapes)        \
  COMMAND(plan)                   \
  COMMAND(bench)

namespace scalekv::cli {

#define SCALEKV_DECLARE(name) void add_##name##_command(CLI::App& app);
SCALEKV_COMMANDS(SCALEKV_DECLARE)
#undef SCALEKV_DECLARE

void add_commands(CLI::App& app);

}  // namespace scalekv::cli
