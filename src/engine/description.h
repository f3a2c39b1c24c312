// A request as a person reads it: what a picture says of itself, and what runs that go on must have in common.
#pragma once

#include "base/settings.h"
#include "engine/resolved_request.h"

namespace scalekv::engine {

Settings describe_request(const Model& model, const ResolvedRequest& request);

// What everything has in common that this program makes of a model on this machine.
Settings describe_origin(Model& model);

// What a run that goes on where another stopped must share with it. described: a request of the run, as
// describe_request or describe_picture has it. What only one picture or machine has makes way for the program's version
// and for what the model's files hold. Throws Error naming a file that cannot be read.
Settings describe_run(Settings described, Model& model);

// Both, for picture number `image` of a request: all that it depends on.
Settings describe_picture(Model& model, const ResolvedRequest& request, int image = 0);

}  // namespace scalekv::engine
