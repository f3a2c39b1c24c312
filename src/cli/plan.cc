// scalekv plan: what a request will take, before anything is allocated.
#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/number_options.h"
#include "cli/options.h"
#include "engine/prompt.h"

namespace scalekv::cli {
namespace {

struct PlanOptions {
  ModelOptions model;
  RequestOptions request;
  std::int64_t prompt_tokens = 32;
};

// Tokens that the sentence about faces adds to a prompt.
std::int64_t face_tokens(const engine::PromptTokenizer& tokenizer) {
  return tokenizer.count(engine::with_face_prompt("a man")) - tokenizer.count("a man");
}

// The plan of one request, and what is said about it.
struct Answer {
  engine::MemoryQuestion question;
  engine::MemoryPlan plan;
  double paper_kv_mebibytes = 0.0;
  double paper_kv_mebibytes_full = 0.0;
  std::int64_t available = 0;
  std::vector<engine::Alternative> fits;
};

Answer answer(const PlanOptions& options) {
  Request request = options.request.parsed();
  request.images = request.batch;
  request.prompt = "any";  // only its length matters
  const auto files = engine::open_files(options.model.model, options.model.open);
  Answer result{
      .question = engine::make_question(files, engine::resolve_request(*files, request)), .plan = {}, .fits = {}};
  const std::int64_t face = request.face_prompt ? face_tokens(*files->tokenizer) : 0;
  result.question.texts.prompt = std::min<std::int64_t>(text::kMaxPromptTokens, options.prompt_tokens + face);
  result.plan = engine::answer(result.question);
  const infinity::GenerationRequest& generation = result.question.request.generation;
  const cache::CacheGeometry geometry = infinity::cache_geometry(files->sizes.transformer, generation.schedule);
  result.paper_kv_mebibytes_full = cache::paper_kv_mebibytes(cache::KeepPlan(geometry, cache::Budget()));
  result.paper_kv_mebibytes = cache::paper_kv_mebibytes(cache::KeepPlan(geometry, generation.policy.budget));
  result.available = engine::memory_allowed(options.model.open.memory_limit);
  if (result.plan.peak() > result.available) result.fits = engine::what_fits(result.question, result.available);
  return result;
}

nlohmann::ordered_json to_json(const Answer& answer) {
  const Request& request = answer.question.request.request;
  const infinity::GenerationRequest& generation = answer.question.request.generation;
  const model::ModelSizes& sizes = answer.question.files->sizes;
  const engine::MemoryPlan& plan = answer.plan;
  nlohmann::ordered_json report = {
      {"model", sizes.name},
      {"size", generation.schedule.size},
      {"aspect", generation.schedule.aspect},
      {"batch", request.batch},
      {"policy", generation.policy.name},
      {"budget", budget_json(request.cache)},
      {"cache", generation.policy.facts},
      {"prompt_tokens", answer.question.texts.prompt},
      {"weights", weight_type_name(sizes.weights)},
      {"kv", request.cache.precision},
      {"weights_bytes", plan.weights},
      {"text_encoder_bytes", plan.text_weights},
      {"kv_bytes_peak", plan.kv},
      {"kv_bytes_peak_full", plan.kv_full},
      {"activation_bytes_peak", plan.activations},
      {"text_bytes_peak", plan.text},
      {"vae_bytes_peak", plan.vae},
      {"phases", {{"encode", plan.encoding}, {"draw", plan.drawing}, {"decode", plan.decoding}}},
      {"total_bytes_peak", plan.peak()},
      {"kv_paper_mb", answer.paper_kv_mebibytes},
      {"kv_paper_mb_full", answer.paper_kv_mebibytes_full},
      {"available_bytes", answer.available},
      {"fits", plan.peak() <= answer.available},
      {"would_fit", nlohmann::ordered_json::array()}};
  for (const engine::Alternative& alternative : answer.fits) {
    report["would_fit"].push_back({{"options", alternative.options}, {"total_bytes_peak", alternative.peak}});
  }
  return report;
}

void print_row(const char* what, std::int64_t bytes, const char* note) {
  fmt::print("  {:<22} {:>12.1f} MB   {}\n", what, static_cast<double>(bytes) / 1e6, note);
}

void print(const Answer& answer) {
  const Request& request = answer.question.request.request;
  const infinity::GenerationRequest& generation = answer.question.request.generation;
  const model::ModelSizes& sizes = answer.question.files->sizes;
  const engine::MemoryPlan& plan = answer.plan;
  fmt::print("{} at {}, aspect {}, {} together, {}, weights {}, KV {}\n", sizes.name, generation.schedule.size,
             generation.schedule.aspect, request.batch, cache_name(request.cache, generation.policy.name),
             weight_type_name(sizes.weights), request.cache.precision);
  Settings cache = generation.policy.facts;
  cache["policy"] = generation.policy.name;
  fmt::print("cache: {}\n", cache_line(cache));
  fmt::print("peak by kind\n");
  print_row("weights", plan.weights, "transformer and VAE");
  print_row("text encoder", plan.text_weights, "freed when the prompt is encoded");
  print_row("KV cache", plan.kv, "current token map included");
  print_row("KV cache, full", plan.kv_full, "for comparison");
  print_row("activations", plan.activations, "");
  print_row("text", plan.text, "features, keys and values of the prompt");
  print_row("decoding", plan.vae, "");
  fmt::print("peak by phase\n");
  print_row("encode the prompt", plan.encoding, "");
  print_row("draw", plan.drawing, "");
  print_row("decode", plan.decoding, "");
  print_row("largest", plan.peak(), "");
  fmt::print(
      "as the paper counts KV: {:.0f} of {:.0f} MB (history only, keys in 4 and values in 2 bytes, 8 guided images)\n",
      answer.paper_kv_mebibytes, answer.paper_kv_mebibytes_full);
  if (plan.peak() <= answer.available) {
    fmt::print("fits into the {:.1f} GB that are available\n", static_cast<double>(answer.available) / 1e9);
    return;
  }
  fmt::print("does not fit into the {:.1f} GB that are available{}\n", static_cast<double>(answer.available) / 1e9,
             answer.fits.empty() ? ", and nothing smaller would" : "; would fit:");
  for (const engine::Alternative& alternative : answer.fits) {
    fmt::print("  {:<44} {:>8.2f} GB\n", alternative.options, static_cast<double>(alternative.peak) / 1e9);
  }
}

void plan(const PlanOptions& options) {
  const Answer result = answer(options);
  if (options.model.json) {
    fmt::print("{}\n", to_json(result).dump(2));
  } else if (!options.model.quiet) {
    print(result);
  }
}

}  // namespace

void add_plan_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("plan", "say what a picture will take in memory, before anything is allocated");
  auto options = std::make_shared<PlanOptions>();
  options->request.add_to(*command);
  // What neither sizes nor lengths depend on.
  for (const char* unused : {"prompt", "--seed", "--tau", "--top-p", "--top-k"}) {
    command->remove_option(command->get_option(unused));
  }
  add_number(*command, "--batch", options->request.request.batch, "pictures to draw together")->capture_default_str();
  add_number(*command, "--prompt-tokens", options->prompt_tokens,
             "length of the prompt, without what --face-prompt appends", {1, text::kMaxPromptTokens})
      ->capture_default_str();
  options->model.add_to(*command);
  command->remove_option(command->get_option("--random"));
  command->footer("Example: scalekv plan --arch infinity-8b --size 1M --batch 8 --budget 10% --weights int8");
  command->callback([options] { plan(*options); });
}

}  // namespace scalekv::cli
