#include "cli/options.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/numbers.h"
#include "cache/budget_file.h"
#include "cache/policy.h"
#include "cli/progress.h"
#include "cli/words.h"
#include "engine/cache_choice.h"
#include "infinity/schedule.h"

namespace scalekv::cli {

void ModelOptions::add_to(CLI::App& command) {
  command_ = &command;
  std::optional<Heading> heading(std::in_place, command, "Model");
  command.add_option("-m,--model", model, "model file (.safetensors) or folder; default: the small embedded model")
      ->type_name("PATH");
  command
      .add_option("--transformer", open.transformer, "published transformer: infinity_2b_reg.pth, infinity_8b_weights/")
      ->type_name("PATH");
  command.add_option("--vae", open.vae, "published VAE: infinity_vae_d32reg.pth")->type_name("FILE");
  command.add_option("--text-encoder", open.text_encoder, "flan-t5-xl folder with weights and spiece.model")
      ->type_name("FOLDER");
  command.add_flag("--ema", open.ema,
                   "the averaged weights (EMA) of a training checkpoint, in place of those that the last step left");
  command
      .add_option("--weights", open.weights,
                  "how matrices are held: f32, bf16 or int8; default: f32 for small models, what suits the machine for "
                  "large ones")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  command
      .add_option(
          "--arch", open.random_architecture,
          "infinity-2b, infinity-8b, layer12 ... layer48: a released model's sizes in place of a file; infinity-2b:8: "
          "of its first 8 layers")
      ->type_name("ARCH");
  command.add_flag("--random", random, "with --arch: random weights, to measure time and memory");
  command.add_flag("--keep-text-encoder", open.keep_text_encoder,
                   "hold the text encoder's weights after the prompt is encoded");
  const auto read_limit = [this](const std::string& text, const std::string& name) {
    open.memory_limit = read_bytes(text, name);
  };
  add_text(command, "--memory-limit", read_limit,
           "refuse what would take more: 8GB, 8GiB, 512M; default: what the system or the container has left");
  add_number(command, "-t,--threads", open.threads, "threads; default: one per processor", {1, 1024});
  heading.reset();
  open.warn = warn_once();
  command.add_flag("-q,--quiet", quiet, "no progress, no report");
  command.add_flag("--json", json, "the report as JSON on standard output");
}

OpenOptions ModelOptions::checked() const {
  if (random != !open.random_architecture.empty()) {
    fail_usage("--arch names sizes and --random weights for them: give both, or a model's file");
  }
  return open;
}

void ModelOptions::require_memory(engine::MemoryQuestion question) const {
  for (const char* setting : {"weights", "keep_text_encoder", "precision", "batch", "budget", "size"}) {
    if (command_->get_option_no_throw(option_of(setting)) == nullptr) question.not_advised.emplace_back(setting);
  }
  engine::require_memory(question, engine::memory_allowed(open.memory_limit));
}

void RequestOptions::add_to(CLI::App& command) {
  command_ = &command;
  command.add_option("prompt", request.prompt, "what to draw")->required();
  add_picture_options(command);
  add_cache_options(command);
}

void RequestOptions::add_picture_options(CLI::App& command) {
  const Heading heading(command, "Picture");
  command.add_option("-n,--negative", request.negative_prompt, "what not to draw");
  const auto read = [this](const std::string& text, const std::string& name) {
    const std::optional<std::uint64_t> given = read_seed(text, name);
    random_seed = !given;
    request.seed = given ? *given : scalekv::random_seed();
  };
  add_text(command, "-s,--seed", read, "same seed, same picture; -1: one by chance, which the report names")
      ->type_name("INT")
      ->default_str("0");
  command
      .add_option("--size", request.size,
                  fmt::format("{}; default: the model's", fmt::join(infinity::size_presets(), ", ")))
      ->type_name("SIZE");
  command
      .add_option("--aspect", aspect, "width:height (16:9), height/width (1.333) or square; the nearest of 15 is taken")
      ->capture_default_str();
  add_numbers(command, "--cfg", request.cfg, "guidance strength: one value, or one per scale (3,3,4,...)");
  add_numbers(command, "--tau", request.tau, "temperature: one value, or one per scale");
  add_number(command, "--top-p", request.top_p, "bits more certain than this are not left to chance; 0: off")
      ->capture_default_str();
  add_number(command, "--top-k", request.top_k, "1: always the likelier value; 0, 2 and more keep both that a bit has")
      ->capture_default_str();
  add_number(command, "--guidance-layer", request.guidance_layer, "0: guide the logits; k: the layer k before the end")
      ->capture_default_str();
  command.add_flag("--face-prompt", request.face_prompt,
                   "append the reference's sentence about faces to prompts that name a person");
}

void RequestOptions::add_cache_options(CLI::App& command) {
  std::string policies = "how the KV cache is held small:";
  for (const cache::PolicyFacts& facts : cache::known_policies())
    policies += fmt::format("\n{}: {}", facts.name, facts.summary);
  const Heading heading(command, "Cache");
  command.add_option("-p,--policy", request.cache.policy, policies)->type_name("POLICY")->capture_default_str();
  command.add_option("-b,--budget", budget, "share of the full cache that stays: 10%, 0.04")->capture_default_str();
  command
      .add_option("--selector", request.cache.selector,
                  "scalekv's: reference (the published code, the default) or attention")
      ->type_name("SELECTOR");
  command
      .add_option("--kv", request.cache.precision,
                  "how precisely keys and values are kept: f32, bf16 (half the memory) or int8 (a quarter)")
      ->type_name("TYPE")
      ->capture_default_str();
  command
      .add_option("--calibration", request.cache.calibration,
                  "what `scalekv calibrate` measured; default: what comes with the model")
      ->type_name("FILE");
  command
      .add_option(
          "--budget-file", request.cache.budgets,
          "an allocation from `scalekv calibrate --policy` or of the ScaleKV repository, in place of policy and "
          "budget; or HeatKV's rankings (orders/2b.json), in place of the policy, for any budget")
      ->type_name("FILE");
}

Request RequestOptions::parsed() const {
  Request parsed = request;
  parsed.aspect = infinity::parse_aspect(aspect);
  parsed.cache.budget = cache::parse_share(budget);
  kernels::parse_kv_precision(parsed.cache.precision);
  if (!parsed.cache.budgets.empty()) {
    parsed.cache.budgets_text = read_file(parsed.cache.budgets);
    const cache::BudgetClaims claims = cache::read_budget_claims(parsed.cache.budgets_text);
    check_budget_file(parsed.cache, claims);
    parsed.cache.policy = claims.policy;
    if (!claims.open) parsed.cache.budget = claims.share;
  }
  engine::check_cache_settings(parsed.cache);
  if (given("--budget") && cache::keeps_all(parsed.cache.policy) && parsed.cache.budget < 1.0) {
    fail_usage("the policy {} keeps everything, not {}; leave out --budget, or name another --policy",
               parsed.cache.policy, budget);
  }
  return parsed;
}

bool RequestOptions::given(const char* name) const {
  const CLI::Option* option = command_->get_option_no_throw(name);
  return option != nullptr && option->count() > 0;
}

// What stands beside a budget file may repeat what it says.
void RequestOptions::check_budget_file(const CacheSettings& asked, const cache::BudgetClaims& claims) const {
  const std::string file = asked.budgets.string();
  if (given("--policy") && asked.policy != claims.policy) {
    fail_usage("{} is of the policy {}, not {}; leave out --policy or --budget-file", file, claims.policy,
               asked.policy);
  }
  if (!claims.open && given("--budget") && asked.budget != claims.share) {
    fail_usage("{} {}, so --budget {} would not act; leave out --budget or --budget-file", file,
               claims.share > 0.0 ? fmt::format("is of a budget of {:g}%", claims.share * 100.0) : "says every budget",
               budget);
  }
}

std::string cache_line(const std::map<std::string, std::string>& settings) {
  const auto value = [&](const char* key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string() : found->second;
  };
  std::vector<std::string> notes;
  if (settings.contains("policy_reason")) notes.push_back(value("policy_reason"));
  if (settings.contains("drafters")) notes.push_back(fmt::format("{} drafters", value("drafters")));
  if (settings.contains("drafters_reason") && !settings.contains("policy_reason")) {
    notes.push_back(value("drafters_reason"));
  }
  if (settings.contains("budgets")) notes.push_back(fmt::format("from {}", value("budgets")));
  std::string line = value("policy");
  if (settings.contains("budget")) line += " " + value("budget");
  return notes.empty() ? line : fmt::format("{} ({})", line, fmt::join(notes, "; "));
}

std::string cache_name(const CacheSettings& cache, const std::string& policy) {
  std::string name = policy;
  if (!cache.budgets.empty()) name += " " + cache.budgets.filename().string();
  return cache::keeps_all(policy) || cache.budget <= 0.0 ? name : fmt::format("{} {:g}%", name, cache.budget * 100.0);
}

nlohmann::ordered_json budget_json(const CacheSettings& cache) {
  return cache.budget > 0.0 ? nlohmann::ordered_json(cache.budget) : nlohmann::ordered_json();
}

void note(std::string_view what, bool quiet) {
  if (!quiet) fmt::print(stderr, "scalekv: {}\n", what);
}

void check_writable(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  constexpr std::size_t kMostBytes = 230;  // of 255, the rest being for the name of a file that is not whole yet
  if (path.filename().native().size() > kMostBytes) {
    fail("{} cannot be written: a name has at most {} bytes; choose a shorter one", path.string(), kMostBytes);
  }
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    fail("{} cannot be written: there is no folder {}", path.string(), folder.string());
  if (std::filesystem::is_directory(path, ignored)) fail("{} cannot be written: it is a folder", path.string());
  if (::access(folder.c_str(), W_OK) != 0)
    fail("{} cannot be written: no permission in {}", path.string(), folder.string());
}

void keep_random_seed(RequestOptions& options, const Settings& recorded) {
  const auto seed = recorded.find("seed");
  if (!options.random_seed || seed == recorded.end()) return;
  options.request.seed = find_number<std::uint64_t>(seed->second).value_or(options.request.seed);
}

}  // namespace scalekv::cli
