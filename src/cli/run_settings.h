// What a run that goes on where another stopped must share with it.
#pragma once

#include "base/settings.h"
#include "cli/options.h"

namespace scalekv::cli {

// `described`: a request of the run as describe_request or describe_picture has it. What only one picture or machine
// has makes way for the program's version and for what the model's files hold. Throws Error naming a file that cannot
// be read.
Settings run_settings(Settings described, engine::Model& model);

// A seed by chance is drawn once for a run: one that goes on, with the settings `recorded`, has the seed that it began
// with. Other seeds stay, and are compared like all settings.
void keep_random_seed(RequestOptions& options, const Settings& recorded);

}  // namespace scalekv::cli
