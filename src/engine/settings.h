// A request, checked against a model and filled with its defaults.
#pragma once

#include "engine/model.h"
#include "infinity/generator.h"

namespace scalekv::engine {

// Everything about the request that can be wrong is found here, before anything is computed. Texts are still missing.
// Throws UsageError.
infinity::GenerationRequest resolve_request(const Model& model, const Request& request);
// The same where only a model's sizes are known. calibration: what comes with the model; null as none.
infinity::GenerationRequest resolve_request(const model::ModelSizes& sizes,
                                            const std::shared_ptr<const ModelCalibration>& calibration,
                                            const Request& request);

// Leaves the first `count` scales of a resolved request; 0: all.
void keep_first_scales(infinity::GenerationRequest& request, int count);

}  // namespace scalekv::engine
