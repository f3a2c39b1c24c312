#include "cli/commands.h"

namespace scalekv::cli {

void add_commands(CLI::App& app) {
  add_generate_command(app);
  add_compare_command(app);
  add_sample_command(app);
  add_reconstruct_command(app);
  add_inspect_command(app);
  add_tokenize_command(app);
  add_convert_command(app);
  add_calibrate_command(app);
  add_metrics_command(app);
  add_report_command(app);
  add_evaluate_command(app);
  add_evaluate_shapes_command(app);
  add_plan_command(app);
  add_bench_command(app);
}

}  // namespace scalekv::cli
