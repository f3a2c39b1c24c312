#include "cli/short_waits.h"

#include <unistd.h>

#include <cstdlib>

namespace scalekv::cli {

void restart_with_short_waits(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (::setenv("GOMP_SPINCOUNT", "2000", 0) == 0) ::execv("/proc/self/exe", argv);
}

}  // namespace scalekv::cli
