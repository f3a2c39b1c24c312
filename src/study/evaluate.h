// An evaluation from a list of prompts to its folder of results: in two steps, so that everything that can be wrong is
// found before a model is loaded.
#pragma once

#include <vector>

#include "scalekv/evaluate.h"
#include "study/evaluation.h"

namespace scalekv::study {

// Every policy with every budget; the full cache once, with all of it. Throws UsageError on names that there are not,
// and on settings of the cache that none of the policies reads.
std::vector<PolicySetting> list_settings(const CacheSettings& cache, const EvaluateOptions& options);

// What is drawn of the first prompt: with the full cache, and under every setting.
struct EvaluationRequests {
  engine::ResolvedRequest full;
  ResolvedSettings settings;
};

// part: ModelFiles or Model. check: is called with every request, to refuse what takes too much memory.
template <typename Part, typename Check>
EvaluationRequests resolve_evaluation(const Part& part, Request request, const std::vector<PolicySetting>& settings,
                                      const Check& check) {
  request.prompt = "any";  // each of the list takes its place
  EvaluationRequests resolved{engine::resolve_request(part, with_setting(request, {cache::kFullPolicy, 1.0})), {}};
  check(resolved.full);
  for (const PolicySetting& setting : settings) {
    engine::ResolvedRequest one = engine::resolve_request(part, with_setting(request, setting));
    check(one);
    resolved.settings.emplace(std::pair(setting.policy, setting.budget), std::move(one));
  }
  return resolved;
}

// Makes the folder of results. Throws Error where it cannot be written.
void make_evaluation_folder(const EvaluateOptions& options);

// Draws what the folder does not hold yet, and writes it. settings: list_settings().
std::vector<EvaluationRow> run_evaluation(engine::Model& model, const Request& request, EvaluationPrompts prompts,
                                          const std::vector<PolicySetting>& settings, EvaluationRequests resolved,
                                          const EvaluateOptions& options, const WorkCallback& progress);

}  // namespace scalekv::study
