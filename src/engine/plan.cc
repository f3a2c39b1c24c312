#include "scalekv/plan.h"

#include <algorithm>

#include "engine/memory_plan.h"
#include "engine/text_room.h"

namespace scalekv {
namespace {

// Tokens that the sentence about faces adds to a prompt.
std::int64_t face_tokens(const engine::PromptTokenizer& tokenizer) {
  return tokenizer.count(engine::with_face_prompt("a man")) - tokenizer.count("a man");
}

// A length takes the place of the request's own prompt, where one is given.
engine::MemoryQuestion ask(const std::shared_ptr<const engine::ModelFiles>& files, Request request,
                           std::int64_t prompt_tokens) {
  if (prompt_tokens > 0) request.prompt = "any";
  engine::MemoryQuestion question = engine::make_question(files, engine::resolve_request(*files, request));
  if (prompt_tokens > 0) {
    const std::int64_t face = request.face_prompt ? face_tokens(*files->tokenizer) : 0;
    question.texts.prompt = std::min<std::int64_t>(text::kMaxPromptTokens, prompt_tokens + face);
  }
  return question;
}

}  // namespace

Plan plan(const std::filesystem::path& model, const OpenOptions& options, const Request& request,
          std::int64_t prompt_tokens) {
  Runtime runtime(options.threads);
  const Runtime::Scope scope(runtime);
  const auto files = engine::open_files(model, options);
  const engine::MemoryQuestion question = ask(files, request, prompt_tokens);
  const engine::MemoryPlan bytes = engine::answer(question);
  const infinity::GenerationRequest& generation = question.request.generation;
  const cache::CacheGeometry geometry = infinity::cache_geometry(files->sizes.transformer, generation.schedule);
  const auto paper = [&](const cache::Budget& budget) {
    return cache::paper_kv_mebibytes(cache::KeepPlan(geometry, budget));
  };
  Plan plan{.model = files->sizes.name,
            .size = generation.schedule.size,
            .aspect = generation.schedule.aspect,
            .policy = generation.policy.name,
            .policy_facts = generation.policy.facts,
            .weights = std::string(weight_type_name(files->sizes.weights)),
            .together = question.request.together(),
            .prompt_tokens = question.texts.prompt,
            .weight_bytes = bytes.weights,
            .text_encoder_bytes = bytes.text_weights,
            .kv_bytes = bytes.kv,
            .kv_bytes_full = bytes.kv_full,
            .activation_bytes = bytes.activations,
            .text_bytes = bytes.text,
            .vae_bytes = bytes.vae,
            .encoding_bytes = bytes.encoding,
            .drawing_bytes = bytes.drawing,
            .decoding_bytes = bytes.decoding,
            .peak_bytes = bytes.peak(),
            .kv_paper_mebibytes = paper(generation.policy.budget),
            .kv_paper_mebibytes_full = paper(cache::Budget()),
            .available_bytes = engine::memory_allowed(options.memory_limit),
            .would_fit = {}};
  if (!plan.fits()) plan.would_fit = engine::what_fits(question, plan.available_bytes);
  return plan;
}

}  // namespace scalekv
