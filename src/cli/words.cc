#include "cli/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <regex>
#include <string_view>

namespace scalekv::cli {
namespace {

constexpr std::array<std::string_view, 22> kSettings = {"batch",         "budget",
                                                        "budgets",       "calibration",
                                                        "check",         "ema",
                                                        "fresh",         "keep_text_encoder",
                                                        "model",         "out",
                                                        "policy",        "precision",
                                                        "shard",         "published",
                                                        "lpips_weights", "selector",
                                                        "size",          "vae",
                                                        "weights",       "transformer",
                                                        "text_encoder",  "random_architecture"};

// As a shell takes it for one word.
std::string quoted(const std::string& word) {
  const bool plain = word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:+-") ==
                     std::string::npos;
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

// Those that open the command's model, as one types them.
std::string model_options(const CLI::App* command) {
  std::string text;
  for (const char* name : {"--model", "--transformer", "--vae", "--text-encoder", "--arch"}) {
    const CLI::Option* option = command == nullptr ? nullptr : command->get_option_no_throw(name);
    if (option == nullptr || option->count() == 0) continue;
    text += fmt::format(" {} {}", name, quoted(option->as<std::string>()));
    if (std::string_view(name) == "--arch") text += " --random";
  }
  return text;
}

}  // namespace

std::string option_of(const std::string& setting) {
  static const std::map<std::string, std::string> others = {
      {"budgets", "--budget-file"}, {"out", "-o"}, {"precision", "--kv"}, {"random_architecture", "--arch"}};
  if (const auto found = others.find(setting); found != others.end()) return found->second;
  std::string option = "--" + setting;
  std::replace(option.begin(), option.end(), '_', '-');
  return option;
}

std::string in_options(std::string sentence, const CLI::App* command) {
  static const std::regex sized_calibration("`calibrate` \\(`size` ([0-9.]+M)\\)");
  if (std::smatch found; std::regex_search(sentence, found, sized_calibration)) {
    sentence =
        fmt::format("{}`scalekv calibrate{} --size {} --prompts PROMPTS.txt -o calibration-{}.json`{}",
                    found.prefix().str(), model_options(command), found.str(1), found.str(1), found.suffix().str());
  }
  const auto replace = [&](const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = sentence.find(what, at)) != std::string::npos; at += by.size()) {
      sentence.replace(at, what.size(), by);
    }
  };
  replace("`calibrate`", "`scalekv calibrate`");
  replace("`inspect` with `check`", "`scalekv inspect --check`");
  for (const std::string_view setting : kSettings) {
    const std::string name(setting);
    replace("`" + name + "`", option_of(name));
  }
  return sentence;
}

}  // namespace scalekv::cli
