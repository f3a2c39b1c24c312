// The seed of a run that goes on where another stopped.
#pragma once

#include "base/settings.h"
#include "cli/options.h"

namespace scalekv::cli {

// A seed by chance is drawn once for a run: one that goes on, with the settings `recorded`, has the seed that it began
// with. Other seeds stay, and are compared like all settings.
void keep_random_seed(RequestOptions& options, const Settings& recorded);

}  // namespace scalekv::cli
