// scalekv plan: what a request will take, before anything is allocated.
#include "scalekv/plan.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/words.h"
#include "text/tokenizer.h"

namespace scalekv::cli {
namespace {

struct PlanOptions {
  ModelOptions model;
  RequestOptions request;
  std::int64_t prompt_tokens = 32;
};

std::string options_of(const Alternative& alternative) { return in_options(engine::in_words(alternative.settings)); }

nlohmann::ordered_json to_json(const Request& request, const Plan& plan) {
  nlohmann::ordered_json report = {
      {"model", plan.model},
      {"size", plan.size},
      {"aspect", plan.aspect},
      {"batch", plan.together},
      {"policy", plan.policy},
      {"budget", budget_json(request.cache)},
      {"cache", plan.policy_facts},
      {"prompt_tokens", plan.prompt_tokens},
      {"weights", plan.weights},
      {"kv", request.cache.precision},
      {"weights_bytes", plan.weight_bytes},
      {"text_encoder_bytes", plan.text_encoder_bytes},
      {"kv_bytes_peak", plan.kv_bytes},
      {"kv_bytes_peak_full", plan.kv_bytes_full},
      {"activation_bytes_peak", plan.activation_bytes},
      {"text_bytes_peak", plan.text_bytes},
      {"vae_bytes_peak", plan.vae_bytes},
      {"phases", {{"encode", plan.encoding_bytes}, {"draw", plan.drawing_bytes}, {"decode", plan.decoding_bytes}}},
      {"total_bytes_peak", plan.peak_bytes},
      {"kv_paper_mb", plan.kv_paper_mebibytes},
      {"kv_paper_mb_full", plan.kv_paper_mebibytes_full},
      {"available_bytes", plan.available_bytes},
      {"fits", plan.fits()},
      {"would_fit", nlohmann::ordered_json::array()}};
  for (const Alternative& alternative : plan.would_fit) {
    report["would_fit"].push_back({{"options", options_of(alternative)}, {"total_bytes_peak", alternative.peak_bytes}});
  }
  return report;
}

void print_row(const char* what, std::int64_t bytes, const char* note) {
  fmt::print("  {:<22} {:>12.1f} MB   {}\n", what, static_cast<double>(bytes) / 1e6, note);
}

void print(const Request& request, const Plan& plan) {
  fmt::print("{} at {}, aspect {}, {} together, {}, weights {}, KV {}\n", plan.model, plan.size, plan.aspect,
             plan.together, cache_name(request.cache, plan.policy), plan.weights, request.cache.precision);
  Settings cache = plan.policy_facts;
  cache["policy"] = plan.policy;
  fmt::print("cache: {}\n", cache_line(cache));
  fmt::print("peak by kind\n");
  print_row("weights", plan.weight_bytes, "transformer and VAE");
  print_row("text encoder", plan.text_encoder_bytes, "freed when the prompt is encoded");
  print_row("KV cache", plan.kv_bytes, "current token map included");
  print_row("KV cache, full", plan.kv_bytes_full, "for comparison");
  print_row("activations", plan.activation_bytes, "");
  print_row("text", plan.text_bytes, "features, keys and values of the prompt");
  print_row("decoding", plan.vae_bytes, "");
  fmt::print("peak by phase\n");
  print_row("encode the prompt", plan.encoding_bytes, "");
  print_row("draw", plan.drawing_bytes, "");
  print_row("decode", plan.decoding_bytes, "");
  print_row("largest", plan.peak_bytes, "");
  fmt::print(
      "as the paper counts KV: {:.0f} of {:.0f} MB (history only, keys in 4 and values in 2 bytes, 8 guided images)\n",
      plan.kv_paper_mebibytes, plan.kv_paper_mebibytes_full);
  const double available = static_cast<double>(plan.available_bytes) / 1e9;
  if (plan.fits()) {
    fmt::print("fits into the {:.1f} GB that are available\n", available);
    return;
  }
  fmt::print("does not fit into the {:.1f} GB that are available{}\n", available,
             plan.would_fit.empty() ? ", and nothing smaller would" : "; would fit:");
  for (const Alternative& alternative : plan.would_fit) {
    fmt::print("  {:<44} {:>8.2f} GB\n", options_of(alternative), static_cast<double>(alternative.peak_bytes) / 1e9);
  }
}

void plan(const PlanOptions& options) {
  Request request = options.request.parsed();
  request.images = request.batch;
  const Plan found = scalekv::plan(options.model.model, options.model.open, request, options.prompt_tokens);
  if (options.model.json) {
    fmt::print("{}\n", to_json(request, found).dump(2));
  } else if (!options.model.quiet) {
    print(request, found);
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
