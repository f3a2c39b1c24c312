#include "scalekv/version.h"

namespace scalekv {

std::string version() { return SCALEKV_VERSION; }

}  // namespace scalekv
