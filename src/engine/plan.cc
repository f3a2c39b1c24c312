#include "engine/plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "cache/budget_file.h"
#include "engine/model.h"
#include "engine/prompt.h"
#include "engine/settings.h"
#include "infinity/latent.h"
#include "infinity/predict.h"
#include "runtime/available_memory.h"
#include "vae/decoder.h"
#include "vae/encoder.h"

namespace scalekv::engine {
namespace {

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

// The ledger's `text` while the encoder runs on a text of this length, the features that it returns included.
std::int64_t encoder_bytes(const model::T5Config& config, std::int64_t length) {
  const std::int64_t inner = config.heads * config.head_size;
  const std::int64_t columns = 2 * config.width + 4 * inner + 2 * config.feed_forward;
  return (length * columns + config.heads * (2 * length - 1)) * model::kFloatBytes;
}

// Pixels, features, their quantised sum and its bits: what is alive in Pipeline::reconstruct beside the VAE's own.
MemoryPlan plan_reconstruction(const model::ModelSizes& sizes, const infinity::Schedule& schedule,
                               std::int64_t source) {
  const MapSize latent = infinity::latent_size(sizes.transformer, schedule.scales.back());
  const std::int64_t stride = sizes.vae.stride();
  const std::int64_t height = latent.height * stride, width = latent.width * stride;
  const std::int64_t pixels = height * width * 3 * model::kFloatBytes;
  const std::int64_t features = latent.tokens() * sizes.vae.codebook * model::kFloatBytes;
  std::int64_t bits = 0;
  for (const MapSize& map : schedule.scales) bits += map.tokens() * sizes.transformer.bits;
  const std::int64_t encode = pixels + vae::Encoder::predict_bytes(sizes.vae, height, width);
  const std::int64_t quantize = pixels + 6 * features + bits;  // residual, upsampled, seen and codes besides
  const std::int64_t decode =
      pixels + 2 * features + bits + vae::Decoder::predict_bytes(sizes.vae, latent.height, latent.width);
  MemoryPlan plan;
  plan.weights = sizes.weight_bytes;
  plan.vae = std::max({source + pixels, encode, quantize, decode});
  plan.encoding = plan.weights + std::max({source + pixels, encode, quantize});
  plan.decoding = plan.weights + decode;
  return plan;
}

// One step towards less memory; false where the request has nothing to give there.
struct Saving {
  const char* of;  // the option
  bool (*apply)(PlanQuestion& question);
  std::string (*option)(const PlanQuestion& question);
};

bool save_weights(PlanQuestion& question) {
  const WeightType now = model::read_sizes(*question.bundle, question.open.weights).weights;
  if (now == WeightType::int8) return false;  // as in a file that holds nothing else
  question.open.weights = now == WeightType::f32 ? "bf16" : "int8";
  return true;
}

bool save_kv(PlanQuestion& question) {
  if (question.request.cache.precision == "int8") return false;
  question.request.cache.precision = "int8";
  return true;
}

bool save_budget(PlanQuestion& question) {
  CacheSettings& cache = question.request.cache;
  if (!cache.budgets.empty() && !cache::read_budget_claims(cache.budgets).open) return false;
  const double wanted = cache.policy == "full" || cache.budget > 0.10 ? 0.10 : 0.04;
  if (cache.policy != "full" && cache.budget <= wanted) return false;
  if (cache.policy == "full") cache.policy = CacheSettings().policy;
  cache.budget = wanted;
  return true;
}

bool save_text_encoder(PlanQuestion& question) { return std::exchange(question.open.keep_text_encoder, false); }

bool save_batch(PlanQuestion& question) {
  if (question.request.batch == 1) return false;
  question.request.batch = std::max(1, question.request.batch / 2);
  return true;
}

bool save_size(PlanQuestion& question) {
  const std::vector<std::string>& sizes = infinity::size_presets();
  const auto found = std::find(sizes.begin(), sizes.end(), question.request.size);
  if (found == sizes.begin() || found == sizes.end()) return false;
  question.request.size = *(found - 1);
  return true;
}

// In the order in which they cost picture quality or time.
const std::vector<Saving>& savings() {
  static const std::vector<Saving> list = {
      {"--keep-text-encoder", save_text_encoder,
       [](const PlanQuestion&) { return std::string("no --keep-text-encoder"); }},
      {"--kv", save_kv, [](const PlanQuestion&) { return std::string("--kv int8"); }},
      {"--weights", save_weights, [](const PlanQuestion& q) { return "--weights " + q.open.weights; }},
      {"--batch", save_batch, [](const PlanQuestion& q) { return fmt::format("--batch {}", q.request.batch); }},
      {"--budget", save_budget,
       [](const PlanQuestion& q) {
         return fmt::format("--policy {} --budget {:g}%", q.request.cache.policy, q.request.cache.budget * 100.0);
       }},
      {"--size", save_size, [](const PlanQuestion& q) { return fmt::format("--size {}", q.request.size); }},
  };
  return list;
}

std::vector<Saving> advised_savings(const PlanQuestion& question) {
  std::vector<Saving> advised;
  std::copy_if(savings().begin(), savings().end(), std::back_inserter(advised), [&](const Saving& saving) {
    return std::find(question.not_advised.begin(), question.not_advised.end(), saving.of) == question.not_advised.end();
  });
  return advised;
}

}  // namespace

std::int64_t MemoryPlan::peak() const { return std::max({encoding, drawing, decoding}); }

MemoryPlan plan_memory(const model::ModelSizes& sizes, const Request& request,
                       const infinity::GenerationRequest& resolved, const TextLengths& texts, bool keep_text_encoder) {
  const model::InfinityConfig& config = sizes.transformer;
  const std::int64_t images = std::min(request.batch, request.images);
  const std::int64_t sequences = infinity::sequence_count(resolved, images);
  const cache::CacheGeometry geometry = infinity::cache_geometry(config, resolved.schedule);
  const std::vector<std::int64_t> group = infinity::sequence_groups(geometry.scales, sequences);
  const auto kv_bytes = [&](const cache::Budget& budget) {
    return cache::predict_kv_bytes(cache::KeepPlan(geometry, budget), sequences, group, resolved.kv).peak;
  };
  MemoryPlan plan;
  plan.weights = sizes.weight_bytes;
  plan.text_weights = sizes.text_weight_bytes;
  plan.kv = kv_bytes(resolved.policy.budget);
  plan.kv_full = kv_bytes(cache::Budget());
  plan.activations = infinity::predict_activation_bytes(config, resolved, images, sizes.weights);

  const std::int64_t unconditional = texts.negative > 0 ? texts.negative : texts.prompt;
  const std::int64_t tokens = images * (texts.prompt + (sequences > images ? unconditional : 0));
  const std::int64_t features = (texts.prompt + texts.negative) * config.text_width * model::kFloatBytes;
  const std::int64_t text_encoding =
      std::max(encoder_bytes(sizes.text, texts.prompt),
               texts.negative == 0
                   ? 0
                   : texts.prompt * config.text_width * model::kFloatBytes + encoder_bytes(sizes.text, texts.negative));
  const std::int64_t held_text = (1 + images) * features;  // a copy for every image
  const std::int64_t text_drawing = held_text + infinity::predict_text_bytes(config, sequences, tokens);
  plan.text = std::max(text_encoding, text_drawing);

  const MapSize latent = infinity::latent_size(config, resolved.schedule.scales.back());
  plan.vae = vae::Decoder::predict_bytes(sizes.vae, latent.height, latent.width);
  const std::int64_t always = plan.weights + (keep_text_encoder ? plan.text_weights : 0);
  plan.encoding = plan.weights + plan.text_weights + text_encoding;
  plan.drawing = always + plan.kv + plan.activations + text_drawing;
  plan.decoding = always + plan.vae + held_text + infinity::predict_result_bytes(config, resolved.schedule, images);
  return plan;
}

PlanQuestion make_question(const std::filesystem::path& file, const OpenOptions& open, const Request& request,
                           std::span<const std::string> prompts) {
  use_threads(open);
  auto bundle = std::make_shared<const model::Bundle>(open_bundle(file, open));
  const PromptTokenizer tokenizer(bundle->tokenizer, model::read_sizes(*bundle, open.weights).text.vocabulary);
  const auto length = [&](const std::string& text) {
    return text.empty() ? 0 : static_cast<std::int64_t>(tokenizer.encode(text).size());
  };
  PlanQuestion question{.bundle = bundle,
                        .open = open,
                        .calibration = find_calibration(file, open, *bundle),
                        .request = request,
                        .texts = {.negative = length(request.negative_prompt)}};
  for (const std::string& prompt : prompts.empty() ? std::span(&request.prompt, 1) : prompts) {
    const std::int64_t tokens = length(request.face_prompt ? with_face_prompt(prompt) : prompt);
    if (tokens <= question.texts.prompt) continue;
    question.texts.prompt = tokens;
    question.request.prompt = prompt;
  }
  return question;
}

PlanQuestion make_reconstruction_question(const std::filesystem::path& file, const OpenOptions& open,
                                          const Image& picture, const std::string& size) {
  const double aspect = static_cast<double>(picture.height) / static_cast<double>(picture.width);
  PlanQuestion question =
      make_question(file, open, {.prompt = "any", .size = size, .aspect = aspect, .cache = {.policy = "full"}});
  question.reconstruct = true;
  question.held = static_cast<std::int64_t>(picture.rgb.size()) * model::kFloatBytes;
  question.not_advised = {"--kv", "--budget", "--batch", "--keep-text-encoder"};
  return question;
}

infinity::GenerationRequest resolve_question(const PlanQuestion& question, const model::ModelSizes& sizes) {
  infinity::GenerationRequest resolved = resolve_request(sizes, question.calibration, question.request);
  keep_first_scales(resolved, question.scales);
  return resolved;
}

MemoryPlan answer(const PlanQuestion& question) {
  model::ModelSizes sizes = model::read_sizes(*question.bundle, question.open.weights);
  if (!question.text_encoder) sizes.text_weight_bytes = 0;
  const infinity::GenerationRequest resolved = resolve_question(question, sizes);
  if (question.reconstruct) return plan_reconstruction(sizes, resolved.schedule, question.held);
  MemoryPlan plan = plan_memory(sizes, question.request, resolved, question.texts, question.open.keep_text_encoder);
  plan.drawing += question.held;
  plan.decoding += question.held;
  if (!question.decode) plan.vae = plan.decoding = 0;
  return plan;
}

std::vector<Alternative> what_fits(const PlanQuestion& question, std::int64_t available) {
  PlanQuestion base = question;
  const model::ModelSizes sizes = model::read_sizes(*base.bundle, base.open.weights);
  if (base.request.size.empty()) base.request.size = sizes.defaults.size;
  base.request.batch = std::min(base.request.batch, base.request.images);
  const std::vector<Saving> savings = advised_savings(question);
  std::vector<Alternative> found;
  for (const Saving& saving : savings) {
    PlanQuestion less = base;
    while (saving.apply(less)) {
      const std::int64_t peak = answer(less).peak();
      if (peak > available) continue;
      found.push_back({saving.option(less), peak});
      break;
    }
  }
  if (!found.empty()) return found;
  PlanQuestion less = base;
  std::vector<std::string> options;
  for (const Saving& saving : savings) {
    std::string option;
    while (saving.apply(less)) {
      option = saving.option(less);
      const std::int64_t peak = answer(less).peak();
      if (peak > available) continue;
      options.push_back(option);
      return {{fmt::format("{}", fmt::join(options, " ")), peak}};
    }
    if (!option.empty()) options.push_back(option);
  }
  return {};
}

void require_memory(const PlanQuestion& question, std::int64_t available) {
  const MemoryPlan plan = answer(question);
  if (plan.peak() <= available) return;
  std::vector<std::string> fits;
  for (const Alternative& alternative : what_fits(question, available)) {
    fits.push_back(fmt::format("{} ({:.2f} GB)", alternative.options, gigabytes(alternative.peak)));
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

std::int64_t memory_allowed(std::int64_t limit) {
  if (limit > 0) return limit;
  const std::int64_t available = available_memory();
  std::int64_t sum = 0;
  return __builtin_add_overflow(available, ledger().current_total(), &sum) ? available : sum;
}

}  // namespace scalekv::engine
