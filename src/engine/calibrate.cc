#include "engine/calibrate.h"

#include "engine/description.h"
#include "engine/run.h"
#include "scalekv/errors.h"

namespace scalekv::engine {

ResolvedRequest resolve_calibration(const ModelFiles& files, Request request) {
  request.cache = {.policy = cache::kFullPolicy};
  if (request.prompt.empty()) request.prompt = "a prompt";  // each of the list takes its place
  return resolve_request(files, request);
}

cache::Calibration empty_calibration(const Model& model, const ResolvedRequest& request) {
  return {.model = model.sizes.name,
          .prompts = 0,
          .statistics = cache::AttentionStatistics(
              infinity::cache_geometry(model.sizes.transformer, request.generation.schedule)),
          .settings = describe_request(model, request),
          .prompts_sha256 = cache::prompts_sha256({})};
}

void calibrate(Model& model, const ResolvedRequest& request, const std::vector<std::string>& prompts,
               cache::Calibration& calibration, const std::function<bool()>& done) {
  Observers observers;
  observers.session.attention = [&](int scale, int layer, std::span<const kernels::AttentionHead> work) {
    calibration.statistics.add(scale, layer, work);
  };
  for (auto i = static_cast<std::size_t>(calibration.prompts); i < prompts.size(); ++i) {
    const View<const float> text = encode_texts(model, std::span(prompts).subspan(i, 1)).front();
    draw(*model.backend, request.generation, batch_of(text, {}, {request.request.seed + i, 0}), observers);
    ++calibration.prompts;
    calibration.prompts_sha256 = cache::prompts_sha256(std::span(prompts).first(i + 1));
    if (!done()) throw Cancelled();
  }
}

}  // namespace scalekv::engine
