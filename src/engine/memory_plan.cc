#include "engine/memory_plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "engine/text_room.h"
#include "infinity/latent.h"
#include "infinity/predict.h"
#include "vae/coder.h"

namespace scalekv::engine {
namespace {

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

// The ledger's `text` while the encoder runs on a text of this length, the features that it returns included.
std::int64_t encoder_bytes(const model::T5Config& config, std::int64_t length) {
  const std::int64_t inner = config.heads * config.head_size;
  const std::int64_t columns = 2 * config.width + 4 * inner + 2 * config.feed_forward;
  return (length * columns + config.heads * (2 * length - 1)) * model::kFloatBytes;
}

// One step towards less memory: the settings that then hold; none where the request has nothing to give there.
using Values = std::vector<Setting>;
struct Saving {
  const char* of;  // the setting
  Values (*apply)(MemoryQuestion& question);
};

Values save_text_encoder(MemoryQuestion& question) {
  if (!std::exchange(question.keep_text_encoder, false)) return {};
  return {{"keep_text_encoder", "false"}};
}

Values save_kv(MemoryQuestion& question) {
  if (std::exchange(question.request.request.cache.precision, "int8") == "int8") return {};
  return {{"precision", "int8"}};
}

Values save_weights(MemoryQuestion& question) {
  const WeightType now = model::read_sizes(question.files->bundle, question.weights).weights;
  if (now == WeightType::int8) return {};  // as in a file that holds nothing else
  question.weights = now == WeightType::f32 ? "bf16" : "int8";
  return {{"weights", question.weights}};
}

Values save_batch(MemoryQuestion& question) {
  int& batch = question.request.request.batch;
  if (batch == 1) return {};
  batch = std::max(1, batch / 2);
  return {{"batch", fmt::format("{}", batch)}};
}

Values save_budget(MemoryQuestion& question) {
  CacheSettings& cache = question.request.request.cache;
  if (!question.request.generation.policy.by_share) return {};
  const bool full = cache::keeps_all(cache.policy);
  const double wanted = full || cache.budget > 0.10 ? 0.10 : 0.04;
  if (!full && cache.budget <= wanted) return {};
  if (full) cache.policy = CacheSettings().policy;
  cache.budget = wanted;
  return {{"policy", cache.policy}, {"budget", fmt::format("{:g}%", cache.budget * 100.0)}};
}

Values save_size(MemoryQuestion& question) {
  const std::vector<std::string>& sizes = infinity::size_presets();
  std::string& size = question.request.request.size;
  const auto found = std::find(sizes.begin(), sizes.end(), size);
  if (found == sizes.begin() || found == sizes.end()) return {};
  size = *(found - 1);
  return {{"size", size}};
}

// In the order in which they cost picture quality or time.
constexpr std::array kSavings = {Saving{"keep_text_encoder", save_text_encoder},
                                 Saving{"precision", save_kv},
                                 Saving{"weights", save_weights},
                                 Saving{"batch", save_batch},
                                 Saving{"budget", save_budget},
                                 Saving{"size", save_size}};

std::vector<Saving> advised_savings(const MemoryQuestion& question) {
  std::vector<Saving> advised;
  std::copy_if(kSavings.begin(), kSavings.end(), std::back_inserter(advised), [&](const Saving& saving) {
    return std::find(question.not_advised.begin(), question.not_advised.end(), saving.of) == question.not_advised.end();
  });
  return advised;
}

// The same, with the request as it then is.
Values apply(const Saving& saving, MemoryQuestion& question) {
  Values settings = saving.apply(question);
  if (!settings.empty()) {
    question.request = resolve_request(*question.files, question.request.request, question.request.scales);
  }
  return settings;
}

}  // namespace

std::int64_t MemoryPlan::peak() const { return std::max({encoding, drawing, decoding}); }

TextTokens::TextTokens(std::span<const TextLengths> pictures, const ResolvedRequest& request) {
  const auto batch = static_cast<std::size_t>(request.request.batch);
  for (std::size_t first = 0; first < pictures.size(); first += batch) {
    std::int64_t tokens = 0;
    for (const auto& [prompt, negative, held_tokens] :
         pictures.subspan(first, std::min(batch, pictures.size() - first))) {
      tokens += prompt + (!request.generation.guided() ? 0 : negative > 0 ? negative : prompt);
    }
    together = std::max(together, tokens);
  }
}

MemoryPlan plan_memory(const backend::Backend& backend, const model::ModelSizes& sizes, const ResolvedRequest& request,
                       const TextLengths& texts, bool keep_text_encoder) {
  const std::vector<TextLengths> alike(static_cast<std::size_t>(request.together()), texts);
  TextTokens tokens(alike, request);
  tokens.encoded = {texts.prompt, texts.negative};
  tokens.held = texts.held;
  return plan_memory(backend, sizes, request, tokens, keep_text_encoder);
}

MemoryPlan plan_memory(const backend::Backend& backend, const model::ModelSizes& sizes, const ResolvedRequest& request,
                       const TextTokens& texts, bool keep_text_encoder) {
  const model::InfinityConfig& config = sizes.transformer;
  const infinity::GenerationRequest& generation = request.generation;
  const std::int64_t images = request.together();
  const cache::CacheGeometry geometry = infinity::cache_geometry(config, generation.schedule);
  const auto session = [&](const cache::Budget& budget) {
    return backend.plan_session(config, generation, cache::KeepPlan(geometry, budget), images, texts.together,
                                sizes.weights);
  };
  const backend::SessionBytes bytes = session(generation.policy.budget);
  MemoryPlan plan;
  plan.weights = sizes.weight_bytes;
  plan.text_weights = sizes.text_weight_bytes;
  plan.kv = bytes.kv;
  plan.kv_full = session(cache::Budget()).kv;
  plan.activations = bytes.activations;

  std::int64_t features = texts.held * config.text_width * model::kFloatBytes, text_encoding = 0;
  for (const std::int64_t length : texts.encoded) {
    if (length == 0) continue;
    text_encoding = std::max(text_encoding, features + encoder_bytes(sizes.text, length));
    features += length * config.text_width * model::kFloatBytes;
  }
  const std::int64_t text_drawing = features + bytes.text;
  plan.text = std::max(text_encoding, text_drawing);

  const MapSize latent = infinity::latent_size(config, generation.schedule.scales.back());
  plan.vae = backend.plan_decoding(sizes.vae, latent);
  const std::int64_t always = plan.weights + (keep_text_encoder ? plan.text_weights : 0);
  plan.encoding = plan.weights + plan.text_weights + text_encoding;
  plan.drawing = always + plan.kv + plan.activations + text_drawing;
  plan.decoding = always + plan.vae + features + infinity::predict_result_bytes(config, generation.schedule, images);
  return plan;
}

MemoryPlan plan_reconstruction(const backend::Backend& backend, const model::ModelSizes& sizes,
                               const infinity::Schedule& schedule, const Image& picture) {
  const MapSize latent = infinity::latent_size(sizes.transformer, schedule.scales.back());
  const std::int64_t stride = sizes.vae.stride();
  const std::int64_t height = latent.height * stride, width = latent.width * stride;
  const std::int64_t source = std::ssize(picture.rgb) * model::kFloatBytes;
  const std::int64_t pixels = height * width * 3 * model::kFloatBytes;
  const std::int64_t features = latent.tokens() * sizes.vae.codebook * model::kFloatBytes;
  std::int64_t bits = 0;
  for (const MapSize& map : schedule.scales) bits += map.tokens() * sizes.transformer.bits;
  // Pixels, features, their quantised sum and its bits are alive beside the VAE's own.
  const std::int64_t encode = pixels + vae::Encoder::predict_bytes(sizes.vae, height, width);
  const std::int64_t quantize = pixels + 6 * features + bits;  // residual, upsampled, seen and codes besides
  const std::int64_t decode = pixels + 2 * features + bits + backend.plan_decoding(sizes.vae, latent);
  MemoryPlan plan;
  plan.weights = sizes.weight_bytes;
  plan.vae = std::max({source + pixels, encode, quantize, decode});
  plan.encoding = plan.weights + std::max({source + pixels, encode, quantize});
  plan.decoding = plan.weights + decode;
  return plan;
}

MemoryQuestion make_question(std::shared_ptr<const ModelFiles> files, ResolvedRequest request,
                             std::span<const std::string> prompts) {
  const auto length = [&](const std::string& text) { return text.empty() ? 0 : files->tokenizer->count(text); };
  TextLengths texts{.prompt = 0, .negative = length(request.request.negative_prompt)};
  for (const std::string& prompt : prompts.empty() ? std::span(&request.request.prompt, 1) : prompts) {
    const std::string encoded = request.request.face_prompt ? with_face_prompt(prompt) : prompt;
    texts.prompt = std::max(texts.prompt, length(encoded));
  }
  const OpenOptions& options = files->options;
  return {.files = files,
          .weights = options.weights,
          .keep_text_encoder = options.keep_text_encoder,
          .request = std::move(request),
          .texts = texts};
}

MemoryQuestion make_reconstruction_question(std::shared_ptr<const ModelFiles> files, const Image& picture,
                                            const std::string& size) {
  const double aspect = static_cast<double>(picture.height) / static_cast<double>(picture.width);
  const Request request{.prompt = "any", .size = size, .aspect = aspect, .cache = {.policy = cache::kFullPolicy}};
  MemoryQuestion question = make_question(files, resolve_request(*files, request));
  question.reconstructed = &picture;
  question.not_advised = {"precision", "budget", "batch", "keep_text_encoder"};
  return question;
}

MemoryPlan answer(const MemoryQuestion& question) {
  const backend::Backend& backend = *question.files->backend;
  model::ModelSizes sizes = model::read_sizes(question.files->bundle, question.weights);
  if (question.reconstructed != nullptr) {
    return plan_reconstruction(backend, sizes, question.request.generation.schedule, *question.reconstructed);
  }
  if (!question.text_encoder) sizes.text_weight_bytes = 0;
  MemoryPlan plan = plan_memory(backend, sizes, question.request, question.texts, question.keep_text_encoder);
  plan.drawing += question.held;
  plan.decoding += question.held;
  if (!question.decode) plan.vae = plan.decoding = 0;
  return plan;
}

std::vector<Alternative> what_fits(const MemoryQuestion& question, std::int64_t available) {
  MemoryQuestion base = question;
  Request& request = base.request.request;
  if (request.size.empty()) request.size = base.files->sizes.defaults.size;
  request.batch = base.request.together();
  const std::vector<Saving> savings = advised_savings(question);
  std::vector<Alternative> found;
  for (const Saving& saving : savings) {
    MemoryQuestion less = base;
    for (Values settings = apply(saving, less); !settings.empty(); settings = apply(saving, less)) {
      const std::int64_t peak = answer(less).peak();
      if (peak > available) continue;
      found.push_back({std::move(settings), peak});
      break;
    }
  }
  if (!found.empty()) return found;
  MemoryQuestion less = base;
  Values all;
  for (const Saving& saving : savings) {
    Values last;
    for (Values settings = apply(saving, less); !settings.empty(); settings = apply(saving, less)) {
      last = std::move(settings);
      const std::int64_t peak = answer(less).peak();
      if (peak > available) continue;
      all.insert(all.end(), last.begin(), last.end());
      return {{all, peak}};
    }
    all.insert(all.end(), last.begin(), last.end());
  }
  return {};
}

std::string in_words(std::span<const Setting> settings) {
  std::vector<std::string> words;
  for (const auto& [name, value] : settings) {
    words.push_back(value == "false" ? fmt::format("no `{}`", name) : fmt::format("`{}` {}", name, value));
  }
  return fmt::format("{}", fmt::join(words, " "));
}

void require_memory(const MemoryQuestion& question, std::int64_t available) {
  const MemoryPlan plan = answer(question);
  if (plan.peak() <= available) return;
  std::vector<std::string> fits;
  for (const Alternative& alternative : what_fits(question, available)) {
    fits.push_back(fmt::format("{} ({:.2f} GB)", in_words(alternative.settings), gigabytes(alternative.peak_bytes)));
  }
  const std::string advice =
      fits.empty() ? "nothing smaller that can be asked for here would fit; use a machine with more memory"
                   : fmt::format("it would fit with {}", fmt::join(fits, ", or "));
  fail(
      "this needs {:.2f} GB at its peak (weights {:.2f}, KV cache {:.2f}, activations {:.2f}, decoding {:.2f}), and "
      "{:.2f} GB are available; {}",
      gigabytes(plan.peak()), gigabytes(plan.weights + plan.text_weights), gigabytes(plan.kv),
      gigabytes(plan.activations), gigabytes(plan.vae), gigabytes(available), advice);
}

MemoryClaim claim_memory(std::int64_t bytes, const OpenOptions& options,
                         const std::function<MemoryQuestion()>& question) {
  return {bytes, options.memory_limit, [&](std::int64_t allowed) { require_memory(question(), allowed); }};
}

}  // namespace scalekv::engine
