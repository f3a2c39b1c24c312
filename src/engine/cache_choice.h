// A request's cache settings, checked, and the policy that they choose for one model and picture.
#pragma once

#include <memory>
#include <string>

#include "cache/policy.h"
#include "engine/model_calibration.h"
#include "scalekv/pipeline.h"

namespace scalekv::engine {

// Throws UsageError on names and shares that there are not, and on options that the policy does not read.
void check_cache_settings(const CacheSettings& settings);

// The settings with another policy in place of theirs, without the options that it does not read.
CacheSettings with_policy(CacheSettings settings, const std::string& policy);

// The picture that a cache is for.
struct CachedPicture {
  std::string model;                                    // its name
  std::shared_ptr<const ModelCalibration> calibration;  // that comes with the model; null: none
  cache::CacheGeometry geometry;
  std::string size;
};

// The policy, whose facts name the calibration or the file of budgets that it uses. Throws as check_cache_settings
// does, and Error where a file is damaged, of another model or of another size than one that the policy needs.
cache::Policy choose_cache(const CacheSettings& settings, const CachedPicture& picture);

}  // namespace scalekv::engine
