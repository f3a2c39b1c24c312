#include "study/evaluation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "dataset/prompt_list.h"
#include "engine/cache_choice.h"
#include "engine/pixels.h"
#include "engine/settings.h"
#include "infinity/predict.h"
#include "runtime/ledger.h"
#include "runtime/stopwatch.h"
#include "study/metrics.h"
#include "study/token_map.h"

namespace scalekv::study {
namespace {

const PolicySetting kFull{"full", 1.0};

bool is_shapes_list(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return false;
  std::istringstream lines(read_file(path));
  std::string line;
  while (std::getline(lines, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    return json.is_object() && json.contains("objects");
  }
  return false;
}

std::int64_t sequences(const infinity::GenerationRequest& request) {
  const bool guided = std::any_of(request.cfg.begin(), request.cfg.end(), [](float cfg) { return cfg != 1.0F; });
  return guided ? 2 : 1;
}

std::int64_t peak_bytes(const cache::KeepPlan& plan, const infinity::GenerationRequest& request) {
  const std::int64_t rows = sequences(request);
  const auto group = infinity::sequence_groups(plan.geometry().scales, rows);
  return cache::predict_kv_bytes(plan, rows, group, request.kv).peak;
}

}  // namespace

EvaluationPrompts read_evaluation_prompts(const std::filesystem::path& path) {
  EvaluationPrompts read;
  if (!is_shapes_list(path)) {
    read.prompts = dataset::read_prompts(path);
    return read;
  }
  read.captions = shapes::read_shapes_captions(path);
  for (const shapes::ShapesCaption& caption : read.captions) read.prompts.push_back(caption.prompt);
  return read;
}

std::vector<std::string> EvaluationPrompts::sha256() const {
  std::vector<std::string> hashes;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::string text = prompts[i];
    if (!captions.empty()) {
      const shapes::ShapesCaption& caption = captions[i];
      for (const shapes::AskedObject& object : caption.objects) {
        text += fmt::format("\n{} {} {}", object.count, object.colour, object.shape);
      }
      text += fmt::format("\n{}\n{}", caption.relation, caption.background);
    }
    hashes.push_back(sha256_of(std::as_bytes(std::span(text))));
  }
  return hashes;
}

double finite_psnr(const Image& a, const Image& b) {
  const double least = 1.0 / (255.0 * 255.0 * static_cast<double>(a.rgb.size()));
  return std::min(psnr(a, b), -10.0 * std::log10(least));
}

Evaluation::Evaluation(const engine::Model& model, Request request, EvaluationPrompts prompts)
    : model_(model), request_(std::move(request)), prompts_(std::move(prompts)) {
  SCALEKV_ASSERT(!prompts_.prompts.empty());
}

Request Evaluation::request_of(const PolicySetting& setting, std::size_t prompt) const {
  Request request = request_;
  request.prompt = prompts_.prompts[prompt];
  request.seed += prompt;
  request.cache = engine::with_policy(request.cache, setting.policy);
  request.cache.budget = setting.budget;
  return request;
}

infinity::GenerationRequest Evaluation::resolve(const PolicySetting& setting) const {
  return engine::resolve_request(model_, request_of(setting, 0));
}

infinity::GenerationRequest Evaluation::resolve(const PolicySetting& setting, std::size_t prompt,
                                                const Tensor& text) const {
  infinity::GenerationRequest resolved = resolve(setting);
  resolved.texts.push_back(text.clone(MemoryKind::text));
  resolved.seeds = {{request_.seed + prompt, 0}};
  return resolved;
}

Tensor Evaluation::encode(std::size_t prompt) const {
  Tensor text = model_.text_encoder.encode(model_.tokenizer.encode(prompts_.prompts[prompt]));
  model_.text_encoder.release();
  return text;
}

Image Evaluation::decode(const infinity::Generation& generation) const {
  return engine::to_image(model_.decoder.decode(generation.latents.front().view<float>()).view<float>());
}

std::string Evaluation::policy_name(const PolicySetting& setting) const { return resolve(setting).policy.name; }

SettingBytes Evaluation::bytes(const PolicySetting& setting) const {
  const infinity::GenerationRequest request = resolve(setting);
  const cache::CacheGeometry geometry = infinity::cache_geometry(model_.transformer.config(), request.schedule);
  const cache::KeepPlan plan(geometry, request.policy.budget);
  const std::int64_t full = peak_bytes(cache::KeepPlan(geometry, cache::Budget()), request);
  const std::int64_t peak = peak_bytes(plan, request);
  return {peak, static_cast<double>(peak) / static_cast<double>(full), cache::paper_kv_mebibytes(plan)};
}

std::int64_t Evaluation::held_bytes(const model::InfinityConfig& config, const infinity::Schedule& schedule) {
  std::int64_t tokens = 0;
  for (const MapSize& map : schedule.scales) tokens += map.tokens();
  const std::int64_t logits = tokens * 2 * config.bits * model::kFloatBytes;
  return 2 * (logits + infinity::predict_result_bytes(config, schedule, 1));
}

void Evaluation::run(std::size_t prompt, const std::vector<PolicySetting>& settings, const Done& done) const {
  const Tensor text = encode(prompt);
  const Trace reference = run_traced(model_.transformer, resolve(kFull, prompt, text));
  const Image full_image = decode(reference.generation);
  for (const PolicySetting& setting : settings) {
    infinity::GenerationRequest request = resolve(setting, prompt, text);
    const cache::CacheGeometry geometry = infinity::cache_geometry(model_.transformer.config(), request.schedule);
    ledger().reset_peaks();
    const std::int64_t before = ledger().current(MemoryKind::kv);
    Stopwatch watch;
    const infinity::Generation generation = infinity::generate(model_.transformer, request);
    const double seconds = watch.lap();
    // Two ways to the same bytes: what the plan foretold and what the ledger saw.
    SCALEKV_ASSERT(ledger().peak(MemoryKind::kv) - before ==
                   peak_bytes(cache::KeepPlan(geometry, request.policy.budget), request));
    const Image image = decode(generation);
    Sample sample{.setting = setting,
                  .prompt = prompt,
                  .psnr = finite_psnr(full_image, image),
                  .ssim = ssim(full_image, image),
                  .divergence = teacher_forced_divergence(reference, model_.transformer, request).front(),
                  .right = std::nullopt,
                  .seconds = seconds};
    if (!prompts_.captions.empty())
      sample.right = shapes::find_fault(prompts_.captions[prompt], shapes::find_objects(image)).empty();
    done(std::move(sample), image);
  }
}

Image Evaluation::draw_tokens(std::size_t prompt, const PolicySetting& setting) const {
  const infinity::GenerationRequest request = resolve(setting, prompt, encode(prompt));
  const cache::CacheGeometry geometry = infinity::cache_geometry(model_.transformer.config(), request.schedule);
  TokenWatch watch(geometry);
  infinity::GenerationHooks hooks;
  hooks.observer = [&](int scale, int layer, std::int64_t sequence, int head, std::span<const std::int32_t> kept) {
    watch.see(scale, layer, sequence, head, kept);
  };
  const infinity::Generation generation = infinity::generate(model_.transformer, request, hooks);
  return token_sheet(decode(generation), watch, geometry);
}

}  // namespace scalekv::study
