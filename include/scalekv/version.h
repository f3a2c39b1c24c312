// The version of the library that runs.
#pragma once

#include <string>

#include "scalekv/api.h"

namespace scalekv {

// "0.1.0": semantic versioning, as in CHANGELOG.md.
SCALEKV_API std::string version();

}  // namespace scalekv
