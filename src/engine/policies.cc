#include "scalekv/policies.h"

#include "backend/cpu.h"
#include "cache/policy.h"
#include "infinity/schedule.h"
#include "kernels/kv_precision.h"
#include "model/random_model.h"
#include "runtime/weight_type.h"

namespace scalekv {

std::vector<PolicyFacts> policies() {
  std::vector<PolicyFacts> list;
  for (const cache::PolicyFacts& facts : cache::known_policies()) {
    list.push_back({.name = facts.name,
                    .summary = facts.summary,
                    .chooses = facts.chooses,
                    .keeps_all = cache::keeps_all(facts.name),
                    .takes_selector = cache::takes_selector(facts.name),
                    .takes_calibration = cache::takes_calibration(facts.name),
                    .needs_calibration = cache::needs_calibration(facts.name),
                    .allocates = cache::allocation(facts.name) != cache::Allocation::none});
  }
  return list;
}

std::vector<std::string> selectors() { return {cache::kWindowSelectors.begin(), cache::kWindowSelectors.end()}; }

std::vector<std::string> sizes() { return infinity::size_presets(); }

std::vector<std::string> kv_precisions() {
  using enum kernels::KvPrecision;
  std::vector<std::string> names;
  for (const auto precision : {f32, bf16, int8}) names.emplace_back(kernels::kv_precision_name(precision));
  return names;
}

std::vector<std::string> weight_types() {
  std::vector<std::string> names;
  for (const WeightType type : kWeightTypes) names.emplace_back(weight_type_name(type));
  return names;
}

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const model::Architecture& architecture : model::known_architectures()) names.push_back(architecture.name);
  return names;
}

std::vector<std::string> devices() {
  const backend::Facts cpu = backend::CpuBackend().facts();
  return {cpu.name + ": " + cpu.device};
}

}  // namespace scalekv
