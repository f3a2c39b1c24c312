// Calibration: what attention does in a model, measured on full-cache runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cache/calibration.h"
#include "engine/resolved_request.h"

namespace scalekv::engine {

// The request with the full cache, whatever it asks for: what calibrate() draws.
ResolvedRequest resolve_calibration(const ModelFiles& files, Request request);

// Draws each prompt from number `calibration.prompts` on (seed: the request's + the prompt's number) and adds its
// attention to the calibration. request: resolve_calibration()'s. `done` is called after every prompt; false stops.
void calibrate(Model& model, const ResolvedRequest& request, const std::vector<std::string>& prompts,
               cache::Calibration& calibration, const std::function<bool()>& done);

// One with nothing measured yet, for the pictures of this request.
cache::Calibration empty_calibration(const Model& model, const ResolvedRequest& request);

}  // namespace scalekv::engine
