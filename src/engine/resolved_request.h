// A request, checked against a model and filled with its defaults: made once, and given to whoever plans, describes or
// draws it.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/model.h"
#include "infinity/generation_request.h"

namespace scalekv::engine {

struct ResolvedRequest {
  Request request;                         // as it was asked for
  infinity::GenerationRequest generation;  // what is drawn: every setting has its value
  int scales = 0;                          // only the first so many are drawn; 0: all

  // Images that are drawn together.
  int together() const;
  // The same of another prompt and seed, which nothing else of it depends on.
  ResolvedRequest of(std::string prompt, std::uint64_t seed) const;
};

// Everything about the request that can be wrong is found here, before anything is computed. calibration: what comes
// with the model; null as none. Throws UsageError, and as choose_cache does.
ResolvedRequest resolve_request(const model::ModelSizes& sizes,
                                const std::shared_ptr<const ModelCalibration>& calibration, const Request& request,
                                int scales = 0);

inline ResolvedRequest resolve_request(const ModelFiles& files, const Request& request, int scales = 0) {
  return resolve_request(files.sizes, files.calibration, request, scales);
}

// What pictures of these prompts have in common. Throws as resolve_request does, of any of them, and where there are
// none.
ResolvedRequest resolve_pictures(const Model& model, Request common, std::span<const Prompt> pictures);

}  // namespace scalekv::engine
