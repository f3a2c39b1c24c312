// A request as a person reads it: what a picture says of itself, and what runs that go on must have in common.
#pragma once

#include "core/settings.h"
#include "pipeline/model.h"
#include "scalekv/scalekv.h"

namespace scalekv::pipeline {

// Throws as resolve_request does.
Settings describe_request(const Model& model, const Request& request);

}  // namespace scalekv::pipeline
