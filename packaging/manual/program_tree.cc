#include "program_tree.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "dataset/prompt_list.h"
#include "scalekv/policies.h"

namespace scalekv::manual {
namespace {

std::vector<Value> plain(const std::vector<std::string>& names) {
  std::vector<Value> values;
  for (const std::string& name : names) values.push_back({name});
  return values;
}

std::vector<Value> policy_values() {
  std::vector<Value> values;
  for (const PolicyFacts& facts : policies()) values.push_back({facts.name, facts.summary});
  return values;
}

struct Kind {
  Takes takes;
  std::vector<Value> values = {};
};

// What the type names of options stand for (->type_name() in src/cli).
const Kind& find_kind(const std::string& name, const std::string& where) {
  static const std::map<std::string, Kind> kinds = {
      {"TEXT", {Takes::text}},
      {"INT", {Takes::text}},
      {"FLOAT", {Takes::text}},
      {"FILE", {Takes::file}},
      {"FOLDER", {Takes::folder}},
      {"PATH", {Takes::file}},  // a file or a folder
      {"POLICY", {Takes::value, policy_values()}},
      {"SELECTOR", {Takes::value, plain(selectors())}},
      {"SIZE", {Takes::value, plain(sizes())}},
      {"TYPE", {Takes::value, plain(kv_precisions())}},
      {"ARCH", {Takes::value, plain(architectures())}},
      {"LAYOUT", {Takes::value, plain(dataset::layouts())}},
  };
  const auto found = kinds.find(name);
  if (found == kinds.end()) {
    throw std::runtime_error(fmt::format(
        "{} takes {}, of which completions know nothing: give it another type_name, or add that to program_tree.cc",
        where, name));
  }
  return found->second;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// "POLICY", "POLICY,...", or, with a check by CLI::IsMember, "TEXT:{f32,bf16}".
void read_type(Option& option, const std::string& type, const std::string& where) {
  std::string kind = type.substr(0, type.find(':'));
  if (kind.ends_with(",...")) {
    kind.resize(kind.size() - 4);
    option.listed = true;
  }
  option.kind = kind;
  const std::size_t open = type.find('{');
  if (open == std::string::npos) {
    const Kind& known = find_kind(kind, where);
    option.takes = known.takes;
    option.values = known.values;
    return;
  }
  option.takes = Takes::value;
  option.checked = true;
  option.values = plain(split(type.substr(open + 1, type.rfind('}') - open - 1), ','));
}

Option read_option(const CLI::Option& given, const std::string& command) {
  Option option;
  if (given.get_positional()) {
    option.names = {given.get_name(true)};
  } else {
    for (const std::string& name : given.get_snames()) option.names.push_back("-" + name);
    for (const std::string& name : given.get_lnames()) option.names.push_back("--" + name);
  }
  option.repeated = given.get_items_expected_max() > 1;
  option.listed = given.get_delimiter() == ',';
  if (given.get_type_size_max() != 0 && !given.get_type_name().empty()) {
    read_type(option, given.get_type_name(), fmt::format("{} {}", command, option.names.back()));
  }
  option.required = given.get_required();
  option.group = given.get_group();
  option.about = given.get_description();
  option.default_text = given.get_default_str();
  for (const CLI::Option* other : given.get_needs()) option.needs = other->get_name();
  const auto is_default = [&](const Value& value) { return value.name == option.default_text; };
  if (!option.values.empty() && !option.default_text.empty() &&
      std::none_of(option.values.begin(), option.values.end(), is_default)) {
    option.values.insert(option.values.begin(), {option.default_text});  // "all", say
  }
  return option;
}

Command read_command(const CLI::App& app) {
  Command command{.name = app.get_name(),
                  .about = app.get_description(),
                  .footer = app.get_footer(),
                  .arguments = {},
                  .options = {}};
  for (const CLI::Option* option : app.get_options()) {
    (option->get_positional() ? command.arguments : command.options).push_back(read_option(*option, command.name));
  }
  return command;
}

}  // namespace

std::string Option::text() const {
  std::vector<std::string> remarks;
  if (required && names.front().starts_with('-')) remarks.emplace_back("required");
  if (checked && about.find(values.back().name) == std::string::npos) {
    std::vector<std::string> all;
    for (const Value& value : values) all.push_back(value.name);
    remarks.push_back(fmt::format("one of {}", fmt::join(all, ", ")));
  }
  if (!default_text.empty()) remarks.push_back("default: " + default_text);
  if (!needs.empty()) remarks.push_back("with " + needs);
  if (remarks.empty()) return about;
  const std::size_t end = std::min(about.find('\n'), about.size());
  const bool opens_list = end < about.size() && about[end - 1] == ':';
  return fmt::format("{} ({}){}", about.substr(0, opens_list ? end - 1 : end), fmt::join(remarks, "; "),
                     about.substr(opens_list ? end - 1 : end));
}

std::string Option::brief() const {
  const std::string line = about.substr(0, about.find('\n'));
  return line.substr(0, std::min(line.find("; "), line.ends_with(':') ? line.size() - 1 : line.size()));
}

Option Command::any_argument() const {
  if (arguments.empty()) return {};
  Option any = arguments.front();
  for (const Option& other : arguments) {
    if (other.takes != any.takes) any.takes = Takes::file;
  }
  return any;
}

Program read_program(const CLI::App& app) {
  Program program{.itself = read_command(app), .commands = {}};
  for (const CLI::App* command : app.get_subcommands({})) program.commands.push_back(read_command(*command));
  return program;
}

}  // namespace scalekv::manual
