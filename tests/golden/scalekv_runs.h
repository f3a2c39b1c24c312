// ScaleKV in whole runs: which tokens are kept, and what the logits are then.
#pragma once

#include "golden/model_case.h"

namespace scalekv::golden {

// `skv_stable.*` (equal scores: the lowest index first) must be the engine's own choice. `skv.*` was recorded with the
// order that a CPU top-k happened to take: the checker makes the engine keep the recorded tokens, so that everything
// after them can be compared, and checks the recorded choice against scores and threshold alone. Changes the policy of
// the model's request.
void check_scalekv_runs(const Fixture& fixture, ModelCase& model, Report& report);

}  // namespace scalekv::golden
