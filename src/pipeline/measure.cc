#include "pipeline/measure.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "core/philox.h"
#include "core/stopwatch.h"
#include "infinity/latent.h"
#include "infinity/predict.h"
#include "pipeline/settings.h"

namespace scalekv::pipeline {
namespace {

// VmHWM, the largest resident size, begins anew where the kernel allows it (Linux, with write access to clear_refs).
void reset_rss_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::int64_t rss_peak() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

Tensor random_features(std::int64_t tokens, std::int64_t width) {
  Tensor features(DType::f32, {tokens, width}, MemoryKind::text);
  for (std::int64_t i = 0; i < features.elements(); ++i) {
    features.view<float>().data()[i] = normal(1, {static_cast<std::uint32_t>(i), 0, 0, 0});
  }
  return features;
}

struct NamedStage {
  Stage stage;
  const char* name;
  Work ScaleWork::*work;  // null: not counted
};

constexpr std::array kNamedStages = {
    NamedStage{Stage::linear, "linear", &ScaleWork::linear},
    NamedStage{Stage::attention, "attention", &ScaleWork::attention},
    NamedStage{Stage::cross_attention, "cross-attention", &ScaleWork::cross_attention},
    NamedStage{Stage::selection, "selection", &ScaleWork::selection},
    NamedStage{Stage::rest, "rest", nullptr},
};

}  // namespace

Component Measurement::sum(const std::string& name) const {
  Component total{.name = name};
  for (const Component& component : components) {
    if (component.name != name) continue;
    total.work += component.work;
    total.seconds += component.seconds;
  }
  return total;
}

Measurement measure(const Model& model, const ModelSizes& sizes, const Request& request,
                    const MeasureOptions& options) {
  infinity::GenerationRequest generation = resolve_request(model, request);
  auto& scales = generation.schedule.scales;
  if (options.scales > 0 && static_cast<std::size_t>(options.scales) < scales.size()) {
    const auto count = static_cast<std::size_t>(options.scales);
    scales.resize(count);
    generation.cfg.resize(count);
    generation.tau.resize(count);
  }
  const std::int64_t images = std::min(request.batch, request.images);
  Measurement result;
  reset_rss_peak();
  ledger().reset_peaks();

  Tensor features = options.text_encoder ? Tensor() : random_features(options.prompt_tokens, sizes.text.width);
  if (options.text_encoder) {
    constexpr std::int32_t kSomeToken = 1;  // </s>, which every vocabulary has
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(options.prompt_tokens), kSomeToken);
    model.text_encoder.load();
    Stopwatch watch;
    features = model.text_encoder.encode(ids);
    result.seconds_text = watch.lap();
    model.text_encoder.release();
    result.components.push_back({"text encoder", -1, text_work(sizes, options.prompt_tokens), result.seconds_text});
  }
  for (std::int64_t image = 0; image < images; ++image) {
    generation.texts.push_back(features.clone(MemoryKind::text));
    generation.seeds.push_back({request.seed, static_cast<std::uint32_t>(image)});
  }

  const std::vector<ScaleWork> works = transformer_work(sizes, generation, images, options.prompt_tokens);
  StageClock clock;
  std::array<double, kStages> before{};
  infinity::GenerationHooks hooks;
  hooks.clock = &clock;
  hooks.progress = [&](int scale, const std::vector<Tensor>&) {
    for (const auto& [stage, name, work] : kNamedStages) {
      double& seen = before[static_cast<std::size_t>(stage)];
      const double seconds = clock.seconds(stage) - std::exchange(seen, clock.seconds(stage));
      const Work done = work == nullptr ? Work() : works[static_cast<std::size_t>(scale)].*work;
      result.components.push_back({name, scale, done, seconds});
    }
    return true;
  };
  Stopwatch watch;
  infinity::Generation drawn = infinity::generate(model.transformer, generation, hooks);
  result.seconds_transformer = watch.lap();
  result.kv_bytes_peak = ledger().peak(MemoryKind::kv);

  if (options.decode) {
    watch.lap();
    for (Tensor& latent : drawn.latents) {
      model.decoder.decode(latent.view<float>());
      latent = Tensor();
    }
    result.seconds_decode = watch.lap();
    const Work one = decoder_work(sizes.vae, infinity::latent_size(sizes.transformer, scales.back()));
    const auto count = static_cast<double>(images);
    result.components.push_back({"VAE", -1, {count * one.operations, count * one.bytes}, result.seconds_decode});
  }
  result.seconds = result.seconds_text + result.seconds_transformer + result.seconds_decode;
  result.ledger_peak = ledger().peak_total();
  result.rss_peak_bytes = rss_peak();
  return result;
}

}  // namespace scalekv::pipeline
