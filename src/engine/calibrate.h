// Calibration: what attention does in a model, measured on full-cache runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cache/calibration.h"
#include "engine/model.h"

namespace scalekv::engine {

// Draws each prompt from number `calibration.prompts` on (seed: the request's + the prompt's number) with the full
// cache and adds its attention to the calibration. `done` is called after every prompt; false stops.
void calibrate(const Model& model, const Request& request, const std::vector<std::string>& prompts,
               cache::Calibration& calibration, const std::function<bool()>& done);

// One with nothing measured yet, for the pictures of this request.
cache::Calibration empty_calibration(const Model& model, const Request& request);

}  // namespace scalekv::engine
