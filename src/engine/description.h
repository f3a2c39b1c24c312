// A request as a person reads it: what a picture says of itself, and what runs that go on must have in common.
#pragma once

#include "base/settings.h"
#include "engine/model.h"
#include "scalekv/scalekv.h"

namespace scalekv::engine {

// Throws as resolve_request does.
Settings describe_request(const Model& model, const Request& request);

// What everything has in common that this program makes of a model on this machine. model_sha256: model_fingerprint().
Settings describe_origin(const std::string& model_sha256);

// Both, for picture number `image` of a request: all that it depends on.
Settings describe_picture(const Model& model, const Request& request, int image, const std::string& model_sha256);

}  // namespace scalekv::engine
