// The policy that `auto` chooses: the best known one for a model and a picture.
#pragma once

#include <string>

#include "cache/policy.h"

namespace scalekv::cache {

struct PolicyChoice {
  std::string policy;
  std::string why;  // a clause, for reports and metadata
};

// request: its selector and its calibration count, its name and share do not.
PolicyChoice choose_policy(const PolicyRequest& request, const CacheGeometry& geometry);

}  // namespace scalekv::cache
