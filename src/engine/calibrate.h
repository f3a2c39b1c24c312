// Calibration: what attention does in a model, measured on full-cache runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cache/calibration.h"
#include "engine/resolved_request.h"
#include "scalekv/calibrate.h"

namespace scalekv::engine {

// The request with the full cache, whatever it asks for: what calibrate() draws.
Request calibration_request(Request request);
inline ResolvedRequest resolve_calibration(const ModelFiles& files, const Request& request) {
  return resolve_request(files, calibration_request(request));
}

// Draws each prompt from number `calibration.prompts` on (seed: the request's + the prompt's number) and adds its
// attention to the calibration. request: resolve_calibration()'s. `done` is called after every prompt; false stops.
void calibrate(Model& model, const ResolvedRequest& request, const std::vector<std::string>& prompts,
               cache::Calibration& calibration, const std::function<bool()>& done);

// One with nothing measured yet, for the pictures of this request.
cache::Calibration empty_calibration(const Model& model, const ResolvedRequest& request);

// Before any work. Throws UsageError on a policy or share that there is not, and on seeds beyond the last.
void check_calibration(const CalibrateOptions& options, const Request& request, std::size_t prompts);

// As scalekv::calibrate, of a request that is resolved (resolve_calibration) and options that are checked.
Calibration calibrate(Model& model, const ResolvedRequest& request, const std::vector<std::string>& prompts,
                      const CalibrateOptions& options, const WorkCallback& progress);

}  // namespace scalekv::engine
