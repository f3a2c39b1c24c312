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
#include "engine/memory_plan.h"
#include "engine/run.h"
#include "infinity/predict.h"
#include "runtime/ledger.h"
#include "runtime/stopwatch.h"
#include "study/metrics.h"
#include "study/token_map.h"

namespace scalekv::study {
namespace {

const PolicySetting kFull{cache::kFullPolicy, 1.0};

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

engine::TextList EvaluationPrompts::drawn() const {
  std::vector<std::string> texts = prompts;
  texts.insert(texts.end(), prompts.begin(), prompts.begin() + (prompts.empty() ? 0 : 1));
  return engine::TextList(std::move(texts));
}

double finite_psnr(const Image& a, const Image& b) {
  const double least = 1.0 / (255.0 * 255.0 * static_cast<double>(a.rgb.size()));
  return std::min(psnr(a, b), -10.0 * std::log10(least));
}

Request with_setting(Request request, const PolicySetting& setting) {
  request.cache = engine::with_policy(request.cache, setting.policy);
  request.cache.budget = setting.budget;
  return request;
}

Evaluation::Evaluation(engine::Model& model, Request request, EvaluationPrompts prompts, ResolvedSettings resolved)
    : model_(model),
      request_(std::move(request)),
      prompts_(std::move(prompts)),
      texts_(prompts_.drawn()),
      resolved_(std::move(resolved)) {
  SCALEKV_ASSERT(!prompts_.prompts.empty());
}

const engine::ResolvedRequest& Evaluation::resolved(const PolicySetting& setting) const {
  const std::pair key(setting.policy, setting.budget);
  const auto found = resolved_.find(key);
  if (found != resolved_.end()) return found->second;
  Request request = with_setting(request_, setting);
  request.prompt = prompts_.prompts.front();
  return resolved_.emplace(key, engine::resolve_request(model_, request)).first->second;
}

engine::ResolvedRequest Evaluation::request_of(const PolicySetting& setting, std::size_t prompt) const {
  return resolved(setting).of(prompts_.prompts[prompt], request_.seed + prompt);
}

engine::Batch Evaluation::batch_of(std::size_t text) const {
  const View<const float> features = engine::encode_texts(model_, texts_.wanted(text)).front();
  return engine::batch_of(features, {}, {request_.seed + text % prompts_.prompts.size(), 0});
}

std::string Evaluation::policy_name(const PolicySetting& setting) const {
  return resolved(setting).generation.policy.name;
}

SettingBytes Evaluation::bytes(const PolicySetting& setting) const {
  const engine::ResolvedRequest& request = resolved(setting);
  const engine::MemoryPlan plan = engine::plan_memory(*model_.backend, model_.sizes, request, {.prompt = 1}, false);
  const cache::CacheGeometry geometry = infinity::cache_geometry(model_.sizes.transformer, request.generation.schedule);
  return {plan.kv, static_cast<double>(plan.kv) / static_cast<double>(plan.kv_full),
          cache::paper_kv_mebibytes(cache::KeepPlan(geometry, request.generation.policy.budget))};
}

std::int64_t Evaluation::held_bytes(const model::InfinityConfig& config, const infinity::Schedule& schedule) {
  std::int64_t tokens = 0;
  for (const MapSize& map : schedule.scales) tokens += map.tokens();
  const std::int64_t logits = tokens * 2 * config.bits * model::kFloatBytes;
  return 2 * (logits + infinity::predict_result_bytes(config, schedule, 1));
}

void Evaluation::run(std::size_t prompt, const std::vector<PolicySetting>& settings, const Done& done) const {
  const backend::Backend& backend = *model_.backend;
  const engine::Batch batch = batch_of(prompt);
  const Trace reference = run_traced(backend, resolved(kFull).generation, batch);
  const Image full_image = engine::decode(model_, reference.drawn.latents.front());
  for (const PolicySetting& setting : settings) {
    const infinity::GenerationRequest& request = resolved(setting).generation;
    ledger().reset_peaks();
    const std::int64_t before = ledger().current(MemoryKind::kv);
    Stopwatch watch;
    const engine::Drawn drawn = engine::draw(backend, request, batch);
    const double seconds = watch.lap();
    // What the keep plan predicts must be what the ledger measures.
    SCALEKV_ASSERT(ledger().peak(MemoryKind::kv) - before == bytes(setting).peak);
    const Image image = engine::decode(model_, drawn.latents.front());
    Sample sample{.setting = setting,
                  .prompt = prompt,
                  .psnr = finite_psnr(full_image, image),
                  .ssim = ssim(full_image, image),
                  .divergence = teacher_forced_divergence(reference, backend, request, batch).front(),
                  .right = std::nullopt,
                  .seconds = seconds};
    if (!prompts_.captions.empty())
      sample.right = shapes::find_fault(prompts_.captions[prompt], shapes::find_objects(image)).empty();
    done(std::move(sample), image);
  }
}

Image Evaluation::draw_tokens(const PolicySetting& setting) const {
  const infinity::GenerationRequest& request = resolved(setting).generation;
  const cache::CacheGeometry geometry = infinity::cache_geometry(model_.sizes.transformer, request.schedule);
  TokenWatch watch(geometry);
  engine::Observers observers;
  observers.session.kept = [&](int scale, int layer, std::int64_t sequence, int head,
                               std::span<const std::int32_t> kept) { watch.see(scale, layer, sequence, head, kept); };
  const engine::Drawn drawn = engine::draw(*model_.backend, request, batch_of(prompts_.prompts.size()), observers);
  return token_sheet(engine::decode(model_, drawn.latents.front()), watch, geometry);
}

}  // namespace scalekv::study
