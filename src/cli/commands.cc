#include "cli/commands.h"

namespace scalekv::cli {

void add_commands(CLI::App& app) {
#define SCALEKV_ADD(name) add_##name##_command(app);
  SCALEKV_COMMANDS(SCALEKV_ADD)
#undef SCALEKV_ADD
}

}  // namespace scalekv::cli
