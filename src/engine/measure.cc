#include "engine/measure.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <utility>

#include "engine/run.h"
#include "infinity/latent.h"
#include "runtime/available_memory.h"
#include "runtime/philox.h"
#include "runtime/stopwatch.h"

namespace scalekv::engine {
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

// Keeps the largest peaks of memory between resume() and pause(): what else is measured in between does not count.
struct MemoryPeaks {
  std::int64_t kv = 0, ledger_total = 0, rss = 0;

  static void resume() {
    return_freed_memory();
    reset_rss_peak();
    ledger().reset_peaks();
  }
  void pause() {
    kv = std::max(kv, ledger().peak(MemoryKind::kv));
    ledger_total = std::max(ledger_total, ledger().peak_total());
    rss = std::max(rss, rss_peak());
  }
};

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

// One measurement in progress.
class Measuring {
 public:
  Measuring(const Model& model, const MeasureOptions& options)
      : model_(model), options_(options), products_(types(), options.product_rate) {
    if (options_.product_rate) products_.take();
    MemoryPeaks::resume();
  }

  Measurement run(const ResolvedRequest& request) && {
    const Tensor features =
        options_.text_encoder ? encode() : random_features(options_.prompt_tokens, sizes_.text.width);
    Drawn drawn =
        draw(request.generation, batch_of(features.view<float>(), {}, {request.request.seed, 0}, request.together()));
    if (options_.decode) decode(std::move(drawn), request.generation.schedule.scales.back());
    sample_products();
    result_.seconds = result_.seconds_text + result_.seconds_transformer + result_.seconds_decode;
    result_.kv_bytes_peak = memory_.kv;
    result_.ledger_peak = memory_.ledger_total;
    result_.rss_peak_bytes = memory_.rss;
    result_.peaks = products_.ranges();
    return std::move(result_);
  }

 private:
  std::set<WeightType> types() const {
    std::set<WeightType> types = {WeightType::f32, sizes_.weights};
    if (options_.text_encoder) types.insert(sizes_.text_weights);
    return types;
  }

  // Components that have no peak yet get it from products before and after them.
  void sample_products() {
    memory_.pause();
    if (!options_.product_rate) return;
    const PeakSamples::Rates rates = products_.take();
    for (Component& component : result_.components) {
      if (component.peak == 0.0) component.peak = rates.at(component.type);
    }
    MemoryPeaks::resume();
  }

  Tensor encode() {
    constexpr std::int32_t kSomeToken = 1;  // </s>, which every vocabulary has
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(options_.prompt_tokens), kSomeToken);
    model_.text_encoder.load();
    Stopwatch watch;
    Tensor features = model_.text_encoder.encode(ids);
    result_.seconds_text = watch.lap();
    model_.text_encoder.release();
    result_.components.push_back({.name = "text encoder",
                                  .work = text_work(sizes_, options_.prompt_tokens),
                                  .seconds = result_.seconds_text,
                                  .type = sizes_.text_weights});
    return features;
  }

  Drawn draw(const infinity::GenerationRequest& request, const Batch& batch) {
    const std::vector<ScaleWork> works =
        transformer_work(sizes_, request, std::ssize(batch.seeds), options_.prompt_tokens);
    StageClock clock;
    std::array<double, kStages> before{};
    double seconds_of_products = 0.0;
    Observers observers;
    observers.session.clock = &clock;
    observers.progress = [&](int scale) {
      for (const auto& [stage, name, work] : kNamedStages) {
        double& seen = before[static_cast<std::size_t>(stage)];
        const double seconds = clock.seconds(stage) - std::exchange(seen, clock.seconds(stage));
        const Work done = work == nullptr ? Work() : works[static_cast<std::size_t>(scale)].*work;
        const WeightType type = stage == Stage::linear ? sizes_.weights : WeightType::f32;
        result_.components.push_back({name, scale, done, seconds, type});
      }
      if (products_.due()) {
        const Stopwatch watch;
        sample_products();
        seconds_of_products += watch.seconds();
        clock.skip();
      }
      return true;
    };
    const Stopwatch watch;
    Drawn drawn = engine::draw(*model_.backend, request, batch, observers);
    result_.seconds_transformer = watch.seconds() - seconds_of_products;
    return_freed_memory();  // as a Pipeline does
    return drawn;
  }

  void decode(Drawn drawn, MapSize last) {
    const Work one = decoder_work(sizes_.vae, infinity::latent_size(sizes_.transformer, last));
    const auto count = static_cast<double>(drawn.latents.size());
    if (products_.due()) sample_products();
    const Stopwatch watch;
    for (Tensor& latent : drawn.latents) {
      model_.backend->decode(latent.view<float>());
      latent = Tensor();
    }
    result_.seconds_decode = watch.seconds();
    result_.components.push_back({.name = "VAE", .work = count * one, .seconds = result_.seconds_decode});
  }

  const Model& model_;
  const model::ModelSizes& sizes_ = model_.sizes;
  const MeasureOptions& options_;
  PeakSamples products_;
  MemoryPeaks memory_;
  Measurement result_;
};

}  // namespace

Component Measurement::sum(const std::string& name) const {
  Component total{.name = name};
  double seconds_at_peak = 0.0;
  for (const Component& component : components) {
    if (component.name != name) continue;
    total.work += component.work;
    total.seconds += component.seconds;
    total.type = component.type;
    seconds_at_peak += component.work.operations / component.peak;
  }
  if (seconds_at_peak > 0.0) total.peak = total.work.operations / seconds_at_peak;
  return total;
}

Measurement measure(const Model& model, const ResolvedRequest& request, const MeasureOptions& options) {
  return Measuring(model, options).run(request);
}

PeakSamples::Rates PeakSamples::take() {
  Rates means;
  for (const WeightType type : types_) {
    const double rate = measure_(type);
    double& last = last_.try_emplace(type, rate).first->second;
    means[type] = (std::exchange(last, rate) + rate) / 2.0;
    auto& [least, most] = ranges_.try_emplace(type, rate, rate).first->second;
    least = std::min(least, rate);
    most = std::max(most, rate);
  }
  since_last_.lap();
  return means;
}

}  // namespace scalekv::engine
