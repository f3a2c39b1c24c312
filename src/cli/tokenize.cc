// scalekv tokenize: the pieces and ids that a model reads in place of a prompt.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "engine/model.h"

namespace scalekv::cli {
namespace {

struct TokenizeOptions {
  std::vector<std::string> prompts;
  std::filesystem::path model;
  OpenOptions open;
  bool random = false;
  bool json = false;
};

// A tokenizer needs no weights: a spiece.model is enough, or a folder that holds one (or ought to).
bool is_tokenizer_alone(const std::filesystem::path& path) {
  return path.extension() == ".model" || std::filesystem::exists(path / "spiece.model") ||
         std::filesystem::exists(path / "tokenizer.json");
}

model::Bundle open_bundle(const TokenizeOptions& options) {
  if (options.random != !options.open.random_architecture.empty()) {
    fail_usage("--arch names a model and --random says that it has no files: give both, or a model's file");
  }
  model::Bundle bundle;
  if (!options.random && !options.open.text_encoder.empty()) {
    bundle.tokenizer = model::read_spiece_model(options.open.text_encoder);
  } else if (!options.random && !options.model.empty() && is_tokenizer_alone(options.model)) {
    bundle.tokenizer = model::read_spiece_model(options.model);
  } else {
    bundle = engine::open_bundle(options.model, options.open);
  }
  if (bundle.tokenizer.empty() && !bundle.random) {
    fail("{} has no tokenizer; name a folder that holds spiece.model with --text-encoder", bundle.description);
  }
  return bundle;
}

engine::PromptTokenizer open_tokenizer(const model::Bundle& bundle) {
  // Without weights: as many sentinels as there can be.
  const std::int64_t vocabulary = bundle.text_encoder ? model::infer_t5_config(*bundle.text_encoder).vocabulary
                                                      : std::numeric_limits<std::int64_t>::max();
  return engine::PromptTokenizer(bundle.tokenizer, vocabulary);
}

nlohmann::json report_of(const engine::PromptTokenizer& tokenizer, const engine::PromptTokens& tokens, bool bytes) {
  nlohmann::json report = {{"prompt_tokens", std::ssize(tokens.ids) + tokens.cut},
                           {"prompt_cut", tokens.cut},
                           {"reads", bytes ? "bytes" : "pieces"},
                           {"ids", tokens.ids},
                           {"pieces", nlohmann::json::array()}};
  for (const std::int32_t id : tokens.ids) report["pieces"].push_back(tokenizer.piece(id));
  return report;
}

void print(const nlohmann::json& report) {
  for (std::size_t i = 0; i < report["ids"].size(); ++i) {
    // As in JSON: what cannot be seen is escaped.
    fmt::print("{:>6}  {}\n", report["ids"][i].get<std::int32_t>(), report["pieces"][i].dump());
  }
  const auto total = report["prompt_tokens"].get<std::int64_t>(), cut = report["prompt_cut"].get<std::int64_t>();
  fmt::print("{} token{}{}\n", total, total == 1 ? "" : "s",
             cut == 0 ? "" : fmt::format("; a model reads {}, so that the last {} are left out", total - cut, cut));
}

void tokenize(const TokenizeOptions& options) {
  const model::Bundle bundle = open_bundle(options);
  const engine::PromptTokenizer tokenizer = open_tokenizer(bundle);
  std::vector<nlohmann::json> reports;
  for (const std::string& prompt : options.prompts) {
    reports.push_back(report_of(tokenizer, tokenizer.read(prompt), bundle.random));
  }
  if (options.json) {
    fmt::print("{}\n", (reports.size() == 1 ? reports.front() : nlohmann::json(reports)).dump());
    return;
  }
  if (bundle.random) fmt::print("random weights have no tokenizer: prompts are read byte by byte\n");
  for (const nlohmann::json& report : reports) print(report);
}

}  // namespace

void add_tokenize_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("tokenize", "print the pieces and ids that a model reads of a prompt");
  auto options = std::make_shared<TokenizeOptions>();
  command->add_option("prompt", options->prompts, "one prompt or several")->required();
  command
      ->add_option("-m,--model", options->model,
                   "model file, flan-t5-xl folder or spiece.model; default: the small embedded model")
      ->type_name("PATH");
  command
      ->add_option("--text-encoder", options->open.text_encoder,
                   "flan-t5-xl folder or spiece.model, in place of the model's; no weights are needed")
      ->type_name("PATH");
  command->add_option("--arch", options->open.random_architecture, "with --random: infinity-2b ... layer48")
      ->type_name("ARCH");
  command->add_flag("--random", options->random, "as a model with random weights reads it: byte by byte");
  command->add_flag("--json", options->json, "as JSON; a list where there are several prompts");
  command->footer("Example: scalekv tokenize \"a red ring\" --text-encoder flan-t5-xl");
  command->callback([options] { tokenize(*options); });
}

}  // namespace scalekv::cli
