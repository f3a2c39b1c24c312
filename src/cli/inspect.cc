// scalekv inspect: what a model file holds.
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/sha256.h"
#include "base/strict_json.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "formats/finite.h"
#include "model/model_config.h"
#include "model/parts.h"

namespace scalekv::cli {
namespace {

struct InspectOptions {
  std::filesystem::path file;
  bool ema = false;
  bool check = false;
  bool json = false;
};

// Everything before the first dot, where the engine's parts are told apart ("gpt", "vae", "t5").
std::string component_of(const std::string& name) { return name.substr(0, name.find('.')); }

// A piece of metadata, as JSON where it is JSON.
nlohmann::json readable(const std::string& value) {
  nlohmann::json parsed = nlohmann::json::parse(value, nullptr, false);
  return parsed.is_structured() ? parsed : nlohmann::json(value);
}

nlohmann::json report_of(const InspectOptions& options, const formats::TensorSource& source,
                         const model::Bundle& bundle) {
  nlohmann::json report = {{"file", options.file.string()}, {"checked", options.check}};
  report["architecture"] = model::describe_architecture(bundle);
  report["metadata"] = nlohmann::json::object();
  for (const auto& [key, value] : source.metadata()) report["metadata"][key] = readable(value);
  std::map<std::string, std::int64_t> totals;
  report["tensors"] = nlohmann::json::array();
  for (const formats::TensorInfo& info : source.tensors()) {
    totals[component_of(info.name)] += info.bytes;
    report["tensors"].push_back(
        {{"name", info.name}, {"dtype", dtype_name(info.dtype)}, {"shape", info.shape.sizes()}, {"bytes", info.bytes}});
  }
  report["bytes"] = totals;
  report["passed_over"] = nlohmann::json::array();
  for (const formats::PassedOver& thing : source.passed_over()) {
    report["passed_over"].push_back({{"name", thing.name}, {"what", thing.what}});
  }
  return report;
}

// Throws Error on the first fault; what was found sound, and the files' hashes.
nlohmann::json check(const formats::TensorSource& source, model::Bundle& bundle, bool quiet) {
  ProgressBar bar("checking", quiet);
  nlohmann::json found = {{"whole", model::check_shapes(bundle)}};
  formats::check_finite(source, bar.work());
  std::set<std::filesystem::path> files;
  for (const formats::TensorInfo& info : source.tensors()) files.insert(info.file);
  for (const std::filesystem::path& file : files) found["sha256"][file.string()] = hash_file(file, bar.work());
  return found;
}

void print_passed_over(const std::vector<formats::PassedOver>& things) {
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < std::min(kShown, things.size()); ++i) {
    fmt::print("passed over: {} is {}\n", in_quotes(things[i].name), things[i].what);
  }
  if (things.size() > kShown) fmt::print("passed over: {} more, which --json lists\n", things.size() - kShown);
}

void print_check(const nlohmann::json& found) {
  for (const auto& [file, hash] : found["sha256"].items()) fmt::print("sha256 {}: {}\n", file, hash.get<std::string>());
  const auto whole = found["whole"].get<std::vector<std::string>>();
  fmt::print("every weight is finite; {}\n",
             whole.empty() ? "shapes are not known, for it holds no part of a model"
                           : fmt::format("{}: every tensor is there and has its shape", fmt::join(whole, ", ")));
}

void inspect(const InspectOptions& options) {
  const auto source = formats::open_tensor_source(options.file);
  model::Bundle bundle = model::open_bundle({.model = options.file, .ema = options.ema});
  nlohmann::json report = report_of(options, *source, bundle);
  if (options.check) report.update(check(*source, bundle, options.json));
  if (options.json) {
    fmt::print("{}\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  for (const formats::TensorInfo& info : source->tensors()) {
    fmt::print("{:<60} {:<5} {:>22} {:>12}\n", info.name, dtype_name(info.dtype), info.shape.to_string(), info.bytes);
  }
  print_passed_over(source->passed_over());
  for (const auto& [component, bytes] : report["bytes"].items()) {
    fmt::print("{:<60} {:>41} bytes\n", component, bytes.get<std::int64_t>());
  }
  for (const char* section : {"architecture", "metadata"}) {
    for (const auto& [key, value] : report[section].items()) fmt::print("{} {}: {}\n", section, key, value.dump());
  }
  if (options.check) print_check(report);
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "list what a model file holds");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("file", options->file, "model file, PyTorch checkpoint, or folder of shards")->required();
  command->add_flag("--ema", options->ema, "look at the averaged weights (EMA) of a training checkpoint");
  command->add_flag("--check", options->check,
                    "read all of it; fail on a tensor that is missing, superfluous or misshapen, on NaN and infinity; "
                    "print SHA-256");
  command->add_flag("--json", options->json, "as JSON");
  command->footer("Example: scalekv inspect infinity_2b_reg.pth --check");
  command->callback([options] { inspect(*options); });
}

}  // namespace scalekv::cli
