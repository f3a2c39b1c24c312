// The subcommands: each adds itself to the program with its options and what it does. They throw Error and UsageError,
// which main() turns into one sentence and an exit code.
#pragma once

#include <CLI/CLI.hpp>

namespace scalekv::cli {

void add_generate_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_sample_command(CLI::App& app);
void add_reconstruct_command(CLI::App& app);
void add_inspect_command(CLI::App& app);
void add_tokenize_command(CLI::App& app);
void add_convert_command(CLI::App& app);
void add_calibrate_command(CLI::App& app);
void add_evaluate_command(CLI::App& app);
void add_metrics_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_evaluate_shapes_command(CLI::App& app);
void add_plan_command(CLI::App& app);
void add_bench_command(CLI::App& app);

// All of them.
void add_commands(CLI::App& app);

}  // namespace scalekv::cli
