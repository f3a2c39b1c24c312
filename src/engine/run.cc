#include "engine/run.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/memory_plan.h"
#include "engine/pixels.h"
#include "engine/prompt.h"
#include "infinity/latent.h"
#include "runtime/freed_memory.h"
#include "runtime/stopwatch.h"
#include "vae/quantizer.h"

namespace scalekv::engine {
namespace {

// The request's texts as ids; its statistics know their lengths.
std::vector<EncodedTexts::Ids> tokenize(const Model& model, const Request& request, Statistics& statistics) {
  PromptTokens prompt = model.tokenizer->read(encoded_prompt(request));
  statistics.prompt_tokens = std::ssize(prompt.ids) + prompt.cut;
  statistics.prompt_cut = prompt.cut;
  std::vector<EncodedTexts::Ids> texts = {std::move(prompt.ids), {}};
  if (!request.negative_prompt.empty()) texts.back() = model.tokenizer->encode(request.negative_prompt);
  return texts;
}

void count_memory(Statistics& statistics) {
  statistics.kv_bytes_peak = ledger().peak(MemoryKind::kv);
  for (int kind = 0; kind < kMemoryKinds; ++kind) {
    const auto memory = static_cast<MemoryKind>(kind);
    statistics.peak_bytes[std::string(memory_kind_name(memory))] = ledger().peak(memory);
  }
}

}  // namespace

Batch batch_of(View<const float> text, View<const float> negative, ImageSeed first, int count) {
  Batch batch;
  for (int i = 0; i < count; ++i) {
    batch.texts.push_back(text);
    if (!negative.empty()) batch.negative.push_back(negative);
    batch.seeds.push_back({first.seed, first.image + static_cast<std::uint32_t>(i)});
  }
  return batch;
}

Image decode(const Model& model, const Tensor& latent) {
  return to_image(model.backend->decode(latent.view<float>()).view<float>());
}

Result run(Model& model, const ResolvedRequest& request, const ProgressCallback& progress) {
  Result result;
  Statistics& statistics = result.statistics;
  const int images = request.request.images;
  const int scales = static_cast<int>(request.generation.schedule.scales.size());
  Stopwatch watch;
  const std::vector<EncodedTexts::Ids> texts = tokenize(model, request.request, statistics);
  model.texts.keep_only(texts);
  ledger().reset_peaks();
  const MemoryPlan plan =
      plan_memory(*model.backend, model.sizes, request, {std::ssize(texts.front()), std::ssize(texts.back())},
                  model.options.keep_text_encoder);
  const MemoryClaim claim = claim_memory(plan.peak(), model.options,
                                         [&] { return make_question(open_files(model.file, model.options), request); });
  const std::vector<View<const float>> features = model.texts.encode(model.text_encoder, texts);
  statistics.seconds_text = watch.lap();

  for (int first = 0; first < images; first += request.request.batch) {
    const int count = std::min(request.request.batch, images - first);
    const Batch batch =
        batch_of(features.front(), features.back(), {request.request.seed, static_cast<std::uint32_t>(first)}, count);
    Observers observers;
    if (progress) {
      observers.progress = [&](int scale) {
        return progress({.image = first, .images = images, .scale = scale + 1, .scales = scales});
      };
    }
    Drawn drawn = draw(*model.backend, request.generation, batch, observers);
    return_freed_memory();  // the image tokenizer's maps come next, and are larger
    statistics.seconds_transformer += watch.lap();
    for (Tensor& latent : drawn.latents) {
      result.images.push_back(decode(model, latent));
      latent = Tensor();
    }
    statistics.seconds_decode += watch.lap();
  }

  statistics.seconds = statistics.seconds_text + statistics.seconds_transformer + statistics.seconds_decode;
  statistics.kv_bytes_peak_full = plan.kv_full;
  count_memory(statistics);
  statistics.scales = scales;
  for (const MapSize& map : request.generation.schedule.scales) statistics.tokens += map.tokens();
  return result;
}

Image reconstruct(const Model& model, const Image& image, const std::string& size) {
  const model::ModelSizes& sizes = model.sizes;
  if (!model.encoder) {
    fail("{} has no VAE encoder (it was converted without one), so pictures cannot be turned into bits", sizes.name);
  }
  const double aspect = static_cast<double>(image.height) / static_cast<double>(image.width);
  const infinity::Schedule schedule = infinity::make_schedule(aspect, size.empty() ? sizes.defaults.size : size);
  const MemoryClaim claim =
      claim_memory(plan_reconstruction(*model.backend, sizes, schedule, image).peak(), model.options,
                   [&] { return make_reconstruction_question(open_files(model.file, model.options), image, size); });
  std::vector<MapSize> scales;
  for (const MapSize& map : schedule.scales) scales.push_back(infinity::latent_size(sizes.transformer, map));
  const std::int64_t stride = sizes.vae.stride();
  const Tensor pixels = to_pixels(image, scales.back().height * stride, scales.back().width * stride);
  const Tensor features = model.encoder->encode(pixels.view<float>());
  return decode(model, vae::quantize(features.view<float>(), scales).sum);
}

}  // namespace scalekv::engine
