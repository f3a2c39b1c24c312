#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/description.h"
#include "engine/fingerprint.h"
#include "engine/pixels.h"
#include "engine/plan.h"
#include "engine/prompt.h"
#include "engine/settings.h"
#include "infinity/latent.h"
#include "runtime/freed_memory.h"
#include "runtime/stopwatch.h"
#include "vae/quantizer.h"

namespace scalekv {
namespace {

// The same text features for every image of a batch.
std::vector<Tensor> repeat(const Tensor& features, std::int64_t count) {
  std::vector<Tensor> copies;
  for (std::int64_t i = 0; i < count; ++i) copies.push_back(features.clone(MemoryKind::text));
  return copies;
}

std::int64_t full_kv_peak(const cache::CacheGeometry& geometry, std::int64_t sequences,
                          kernels::KvPrecision precision) {
  const auto group = infinity::sequence_groups(geometry.scales, sequences);
  return cache::predict_kv_bytes(cache::KeepPlan(geometry, cache::Budget()), sequences, group, precision).peak;
}

}  // namespace

struct Pipeline::Impl {
  std::filesystem::path file;
  OpenOptions options;
  model::ModelSizes sizes;
  std::unique_ptr<engine::Model> model;
  ModelFacts facts;
  std::string fingerprint;  // of the model's files; empty until somebody asks

  engine::PromptTokens tokenize(const std::string& prompt) const {
    return prompt.empty() ? engine::PromptTokens() : model->tokenizer.read(prompt);
  }
  // Throws Error where the bytes are more than this process may have; the request is what they are needed for.
  void check_memory(std::int64_t bytes, const Request& request) const {
    const std::int64_t allowed = engine::memory_allowed(options.memory_limit);
    if (bytes > allowed) engine::require_memory(engine::make_question(file, options, request), allowed);
  }
};

Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

Pipeline Pipeline::open(const std::filesystem::path& model, const OpenOptions& options) {
  const std::int64_t before = ledger().current(MemoryKind::weights);
  auto impl = std::make_unique<Impl>();
  impl->file = model;
  impl->options = options;
  impl->sizes = model::read_sizes(engine::open_bundle(model, options), options.weights);
  impl->check_memory(impl->sizes.weight_bytes, {.prompt = "a prompt"});
  impl->model = engine::open_model(model, options);
  const model::InfinityConfig& config = impl->model->transformer.config();
  impl->facts = {.name = impl->model->name,
                 .depth = config.depth,
                 .width = config.width,
                 .heads = config.heads,
                 .bits = config.bits,
                 .patchify = config.patchify,
                 .pixels_per_token = impl->model->pixels_per_token(),
                 .weight_bytes = ledger().current(MemoryKind::weights) - before,
                 .weights = std::string(weight_type_name(impl->model->weights)),
                 .default_size = impl->model->defaults.size};
  return Pipeline(std::move(impl));
}

const ModelFacts& Pipeline::facts() const { return impl_->facts; }

Image Pipeline::generate(const Request& request, const ProgressCallback& progress) {
  Request one = request;
  one.images = 1;
  return std::move(run(one, progress).images.front());
}

Result Pipeline::run(const Request& request, const ProgressCallback& progress) {
  engine::Model& model = *impl_->model;
  infinity::GenerationRequest generation = engine::resolve_request(model, request);
  const int scales = static_cast<int>(generation.schedule.scales.size());
  Result result;
  Statistics& statistics = result.statistics;
  ledger().reset_peaks();
  Stopwatch watch;

  const engine::PromptTokens prompt =
      impl_->tokenize(request.face_prompt ? engine::with_face_prompt(request.prompt) : request.prompt);
  const std::vector<std::int32_t> negative_ids = impl_->tokenize(request.negative_prompt).ids;
  const engine::TextLengths lengths{std::ssize(prompt.ids), std::ssize(negative_ids)};
  statistics.prompt_tokens = lengths.prompt + prompt.cut;
  statistics.prompt_cut = prompt.cut;
  const std::int64_t planned =
      engine::plan_memory(impl_->sizes, request, generation, lengths, impl_->options.keep_text_encoder).peak();
  impl_->check_memory(planned, request);

  const Tensor text = model.text_encoder.encode(prompt.ids);
  const Tensor negative = negative_ids.empty() ? Tensor() : model.text_encoder.encode(negative_ids);
  model.text_encoder.release();
  statistics.seconds_text = watch.lap();

  for (int first = 0; first < request.images; first += request.batch) {
    const int count = std::min(request.batch, request.images - first);
    generation.texts = repeat(text, count);
    generation.negative = negative.empty() ? std::vector<Tensor>() : repeat(negative, count);
    generation.seeds.clear();
    for (int i = 0; i < count; ++i) generation.seeds.push_back({request.seed, static_cast<std::uint32_t>(first + i)});
    infinity::GenerationHooks hooks;
    hooks.progress = [&](int scale, const std::vector<Tensor>&) {
      return !progress || progress({.image = first, .images = request.images, .scale = scale + 1, .scales = scales});
    };
    infinity::Generation drawn = infinity::generate(model.transformer, generation, hooks);
    return_freed_memory();  // the image tokenizer's maps come next, and are larger
    statistics.seconds_transformer += watch.lap();
    for (Tensor& latent : drawn.latents) {
      result.images.push_back(engine::to_image(model.decoder.decode(latent.view<float>()).view<float>()));
      latent = Tensor();
    }
    statistics.seconds_decode += watch.lap();
  }

  const cache::CacheGeometry geometry = infinity::cache_geometry(model.transformer.config(), generation.schedule);
  const bool guided = std::any_of(generation.cfg.begin(), generation.cfg.end(), [](float cfg) { return cfg != 1.0F; });
  const std::int64_t sequences = std::min(request.batch, request.images) * (guided ? 2 : 1);
  statistics.seconds = statistics.seconds_text + statistics.seconds_transformer + statistics.seconds_decode;
  statistics.kv_bytes_peak = ledger().peak(MemoryKind::kv);
  statistics.kv_bytes_peak_full = full_kv_peak(geometry, sequences, generation.kv);
  for (int kind = 0; kind < kMemoryKinds; ++kind) {
    const auto memory = static_cast<MemoryKind>(kind);
    statistics.peak_bytes[std::string(memory_kind_name(memory))] = ledger().peak(memory);
  }
  statistics.scales = scales;
  statistics.tokens = geometry.tokens_before(scales);
  return result;
}

Image Pipeline::reconstruct(const Image& image, const std::string& size) {
  const engine::Model& model = *impl_->model;
  if (!model.encoder) {
    fail("{} has no VAE encoder (it was converted without one), so pictures cannot be turned into bits", model.name);
  }
  engine::require_memory(engine::make_reconstruction_question(impl_->file, impl_->options, image, size),
                         engine::memory_allowed(impl_->options.memory_limit));
  const double aspect = static_cast<double>(image.height) / static_cast<double>(image.width);
  const infinity::Schedule schedule = infinity::make_schedule(aspect, size.empty() ? model.defaults.size : size);
  std::vector<MapSize> scales;
  for (const MapSize& map : schedule.scales) scales.push_back(infinity::latent_size(model.transformer.config(), map));
  const std::int64_t stride = model.vae_config.stride();
  const Tensor pixels = engine::to_pixels(image, scales.back().height * stride, scales.back().width * stride);
  const Tensor features = model.encoder->encode(pixels.view<float>());
  const vae::Quantized quantized = vae::quantize(features.view<float>(), scales);
  return engine::to_image(model.decoder.decode(quantized.sum.view<float>()).view<float>());
}

std::map<std::string, std::string> Pipeline::describe(const Request& request, int image) const {
  std::string& fingerprint = impl_->fingerprint;
  if (fingerprint.empty()) fingerprint = engine::model_fingerprint(impl_->file, impl_->options);
  return engine::describe_picture(*impl_->model, request, image, fingerprint);
}

}  // namespace scalekv
