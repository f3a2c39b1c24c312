// Options that several commands share.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/numbers.h"
#include "base/settings.h"
#include "cache/budget_file.h"
#include "engine/memory_plan.h"
#include "scalekv/pipeline.h"

namespace scalekv::cli {

// Numbers as options: CLI11's own conversion takes "" for 0, 010 for 8 and cuts what is too large; ours takes what
// base/numbers.h does, within a range, and says so where it does not.
// "-n,--count" -> "--count", as messages name an option.
inline std::string long_name(const std::string& names) { return names.substr(names.rfind("--")); }

// An option whose text `read` turns into something, throwing UsageError that names the option it is given.
template <typename Read>
CLI::Option* add_text(CLI::App& command, const std::string& names, const Read& read, const std::string& help) {
  const std::string name = long_name(names);
  return command.add_option_function<std::string>(
      names, [read, name](const std::string& text) { read(text, name); }, help);
}

// One number.
template <typename Number>
requires std::is_arithmetic_v<Number> CLI::Option* add_number(CLI::App& command, const std::string& names,
                                                              Number& value, const std::string& help,
                                                              Range<Number> range = {}) {
  const auto read = [&value, range](const std::string& text, const std::string& name) {
    value = read_number<Number>(text, name, range);
  };
  return add_text(command, names, read, help)
      ->type_name(std::is_floating_point_v<Number> ? "FLOAT" : "INT")
      ->default_function([&value] { return fmt::format("{}", value); });
}

template <typename Number>
CLI::Option* add_number(CLI::App& command, const std::string& names, std::optional<Number>& value,
                        const std::string& help, Range<Number> range = {}) {
  const auto read = [&value, range](const std::string& text, const std::string& name) {
    value = read_number<Number>(text, name, range);
  };
  return add_text(command, names, read, help)->type_name(std::is_floating_point_v<Number> ? "FLOAT" : "INT");
}

// Several, separated by commas or spaces.
template <typename Number>
CLI::Option* add_numbers(CLI::App& command, const std::string& names, std::vector<Number>& values,
                         const std::string& help, Range<Number> range = {}) {
  const auto read = [&values, range, name = long_name(names)](const std::vector<std::string>& texts) {
    values.clear();
    for (const std::string& text : texts) {
      const std::vector<std::string> parts = split_list(text);
      if (parts.empty()) read_number<Number>(text, name, range);  // throws: an empty text is no number
      for (const std::string& part : parts) values.push_back(read_number<Number>(part, name, range));
    }
  };
  return command.add_option_function<std::vector<std::string>>(names, read, help)
      ->type_name(std::is_floating_point_v<Number> ? "FLOAT" : "INT");
}

// While it lives, what is added to a command stands in its help under this heading.
class Heading {
 public:
  Heading(CLI::App& command, const std::string& name)
      : defaults_(command.option_defaults()), before_(defaults_->get_group()) {
    defaults_->group(name);
  }
  ~Heading() { defaults_->group(before_); }
  Heading(const Heading&) = delete;
  Heading& operator=(const Heading&) = delete;

 private:
  CLI::OptionDefaults* defaults_;
  std::string before_;
};

// Which model to open, and how to talk.
struct ModelOptions {
  std::filesystem::path model;
  OpenOptions open;
  bool random = false;
  bool quiet = false;
  bool json = false;

  void add_to(CLI::App& command);
  // `open`. Throws UsageError on options that make no sense together.
  OpenOptions checked() const;
  // The model's files, opened with the options, which are checked.
  std::shared_ptr<const engine::ModelFiles> open_files() const { return engine::open_files(model, checked()); }
  // Before anything is loaded: throws Error where it takes more memory than there is, with advice in options that the
  // command has.
  void require_memory(engine::MemoryQuestion question) const;

 private:
  const CLI::App* command_ = nullptr;
};

// What to draw: everything of a Request but the prompt's source.
struct RequestOptions {
  Request request;
  bool random_seed = false;  // the seed was drawn by chance
  std::string aspect = "square";
  std::string budget = "10%";

  void add_to(CLI::App& command);
  // The request, with texts turned into numbers, and policy and budget of the budget file where there is one (0 where
  // it does not say). Throws UsageError, also where one option would leave another without effect.
  Request parsed() const;
  // Was the option of that name given?
  bool given(const char* name) const;

 private:
  void add_picture_options(CLI::App& command);
  void add_cache_options(CLI::App& command);
  // Options that would have no effect beside a budget file; throws UsageError.
  void check_budget_file(const CacheSettings& asked, const cache::BudgetClaims& claims) const;

  const CLI::App* command_ = nullptr;
};

// The policy that a request's settings (Pipeline::describe, or a policy's facts) choose, and why:
// "adaptive 10% (auto: a calibration fits the model and the picture)".
std::string cache_line(const std::map<std::string, std::string>& settings);
// "scalekv 10%", "full", or "heatkv FILE 10%" with a budget file, without a share where that does not say. policy: the
// one that the settings choose.
std::string cache_name(const CacheSettings& cache, const std::string& policy);
// Its share, or null where a budget file does not say.
nlohmann::ordered_json budget_json(const CacheSettings& cache);

// One line on standard error about what was asked for and could not be had in full.
void note(std::string_view what, bool quiet);

// The first `count` of a list (0: all); a note where there are fewer.
template <typename T>
void take_first(std::vector<T>& list, int count, const std::string& file, bool quiet) {
  const auto wanted = static_cast<std::size_t>(count);
  if (wanted > list.size())
    note(fmt::format("{} holds {} prompts, not {}; all are taken", file, list.size(), count), quiet);
  if (count > 0 && wanted < list.size()) list.erase(list.begin() + count, list.end());
}

// Throws Error now rather than after the work when a file at `path` could not be written.
void check_writable(const std::filesystem::path& path);

// A seed by chance is drawn once for a run: one that goes on, with the settings `recorded`, has the seed that it began
// with. Other seeds stay, and are compared like all settings.
void keep_random_seed(RequestOptions& options, const Settings& recorded);

}  // namespace scalekv::cli
