#include "engine/calibrate.h"

#include "engine/description.h"
#include "engine/settings.h"
#include "infinity/generator.h"
#include "scalekv/errors.h"

namespace scalekv::engine {
namespace {

// The request with the full cache, whatever it asks for.
Request with_full_cache(Request request) {
  request.cache = {.policy = cache::kFullPolicy};
  if (request.prompt.empty()) request.prompt = "a prompt";  // each of the list takes its place
  return request;
}

}  // namespace

cache::Calibration empty_calibration(const Model& model, const Request& request) {
  const Request full = with_full_cache(request);
  const infinity::GenerationRequest resolved = resolve_request(model, full);
  return {
      .model = model.name,
      .prompts = 0,
      .statistics = cache::AttentionStatistics(infinity::cache_geometry(model.transformer.config(), resolved.schedule)),
      .settings = describe_request(model, full),
      .prompts_sha256 = cache::prompts_sha256({})};
}

void calibrate(const Model& model, const Request& request, const std::vector<std::string>& prompts,
               cache::Calibration& calibration, const std::function<bool()>& done) {
  infinity::GenerationRequest generation = resolve_request(model, with_full_cache(request));
  infinity::GenerationHooks hooks;
  hooks.attention_observer = [&](int scale, int layer, std::span<const kernels::AttentionHead> work) {
    calibration.statistics.add(scale, layer, work);
  };
  for (auto i = static_cast<std::size_t>(calibration.prompts); i < prompts.size(); ++i) {
    generation.texts.clear();
    generation.texts.push_back(model.text_encoder.encode(model.tokenizer.encode(prompts[i])));
    model.text_encoder.release();
    generation.seeds = {{request.seed + i, 0}};
    infinity::generate(model.transformer, generation, hooks);
    ++calibration.prompts;
    calibration.prompts_sha256 = cache::prompts_sha256(std::span(prompts).first(i + 1));
    if (!done()) throw Cancelled();
  }
}

}  // namespace scalekv::engine
