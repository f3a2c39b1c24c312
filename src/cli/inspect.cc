// scalekv inspect: what a model file holds.
#include "scalekv/inspect.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/strict_json.h"
#include "cli/commands.h"
#include "cli/progress.h"

namespace scalekv::cli {
namespace {

struct InspectCommand {
  std::filesystem::path file;
  InspectOptions inspect;
  bool json = false;
};

// A piece of metadata, as JSON where it is JSON.
nlohmann::json readable(const std::string& value) {
  nlohmann::json parsed = nlohmann::json::parse(value, nullptr, false);
  return parsed.is_structured() ? parsed : nlohmann::json(value);
}

nlohmann::json report_of(const InspectCommand& options, const Inspection& found) {
  nlohmann::json report = {{"file", options.file.string()},
                           {"checked", options.inspect.check},
                           {"architecture", nlohmann::json::parse(found.architecture)},
                           {"metadata", nlohmann::json::object()},
                           {"tensors", nlohmann::json::array()},
                           {"bytes", found.bytes},
                           {"passed_over", nlohmann::json::array()}};
  for (const auto& [key, value] : found.metadata) report["metadata"][key] = readable(value);
  for (const auto& [name, type, shape, bytes] : found.tensors) {
    report["tensors"].push_back({{"name", name}, {"dtype", type}, {"shape", shape}, {"bytes", bytes}});
  }
  for (const auto& [name, what] : found.passed_over) report["passed_over"].push_back({{"name", name}, {"what", what}});
  if (!options.inspect.check) return report;
  report["whole"] = found.whole;
  if (!found.sha256.empty()) report["sha256"] = found.sha256;
  return report;
}

void print_passed_over(const std::vector<PassedOver>& things) {
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < std::min(kShown, things.size()); ++i) {
    fmt::print("passed over: {} is {}\n", in_quotes(things[i].name), things[i].what);
  }
  if (things.size() > kShown) fmt::print("passed over: {} more, which --json lists\n", things.size() - kShown);
}

void print_check(const Inspection& found) {
  for (const auto& [file, hash] : found.sha256) fmt::print("sha256 {}: {}\n", file, hash);
  fmt::print("every weight is finite; {}\n",
             found.whole.empty()
                 ? "shapes are not known, for it holds no part of a model"
                 : fmt::format("{}: every tensor is there and has its shape", fmt::join(found.whole, ", ")));
}

void inspect(const InspectCommand& options) {
  Inspection found;
  {
    ProgressBar bar("checking", options.json || !options.inspect.check);
    found = scalekv::inspect(options.file, options.inspect, bar.work());
  }
  const nlohmann::json report = report_of(options, found);
  if (options.json) {
    fmt::print("{}\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  for (const auto& [name, type, shape, bytes] : found.tensors) {
    fmt::print("{:<60} {:<5} {:>22} {:>12}\n", name, type, fmt::format("[{}]", fmt::join(shape, ", ")), bytes);
  }
  print_passed_over(found.passed_over);
  for (const auto& [component, bytes] : found.bytes) fmt::print("{:<60} {:>41} bytes\n", component, bytes);
  for (const char* section : {"architecture", "metadata"}) {
    for (const auto& [key, value] : report[section].items()) fmt::print("{} {}: {}\n", section, key, value.dump());
  }
  if (options.inspect.check) print_check(found);
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "list what a model file holds");
  auto options = std::make_shared<InspectCommand>();
  command->add_option("file", options->file, "model file, PyTorch checkpoint, or folder of shards")
      ->type_name("PATH")
      ->required();
  command->add_flag("--ema", options->inspect.ema, "look at the averaged weights (EMA) of a training checkpoint");
  command->add_flag("--check", options->inspect.check,
                    "read all of it; fail on a tensor that is missing, superfluous or misshapen, on NaN and infinity; "
                    "print SHA-256");
  command->add_flag("--json", options->json, "as JSON");
  command->footer("Example: scalekv inspect infinity_2b_reg.pth --check");
  command->callback([options] { inspect(*options); });
}

}  // namespace scalekv::cli
