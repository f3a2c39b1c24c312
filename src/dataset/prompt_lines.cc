// Prompts one a line: plain text, JSON objects, GenEval's metadata.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strict_json.h"
#include "dataset/prompt_names.h"
#include "dataset/readers.h"

namespace scalekv::dataset {
namespace {

struct Line {
  std::string_view text;
  std::string where;
};

// The lines that are not blank, without what ends them.
std::vector<Line> split_lines(std::string_view content, const std::filesystem::path& path) {
  std::vector<Line> lines;
  for (int number = 1; !content.empty(); ++number) {
    std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(line.size() + 1, content.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty()) continue;
    lines.push_back({line, fmt::format("{}, line {}", path.string(), number)});
  }
  return lines;
}

nlohmann::ordered_json parse_entry(const Line& line) {
  nlohmann::ordered_json json = parse_strict_list(line.text, line.where);
  if (!json.is_object() && !json.is_string()) fail("{}: this is no JSON object", line.where);
  return json;
}

// What GenEval's scorer asks of every object.
bool is_geneval(const nlohmann::ordered_json& json) {
  return json.is_object() && json.contains("tag") && json["tag"].is_string() && json.contains("include") &&
         json["include"].is_array();
}

}  // namespace

PromptList read_prompt_lines(std::string_view content, const std::filesystem::path& path, bool objects) {
  const std::vector<Line> lines = split_lines(content, path);
  if (!objects) {
    PromptCollector prompts(Layout::list);
    for (const Line& line : lines) prompts.add({.text = std::string(line.text)}, line.where);
    return prompts.finish(path);
  }
  const bool geneval = !lines.empty() && is_geneval(parse_entry(lines.front()));
  PromptCollector prompts(geneval ? Layout::geneval : Layout::list);
  for (const Line& line : lines) {
    const nlohmann::ordered_json json = parse_entry(line);
    if (geneval && !is_geneval(json)) fail("{}: GenEval's \"tag\" or \"include\" is missing here", line.where);
    prompts.add({.text = prompt_of(json, line.where), .metadata = geneval ? std::string(line.text) : std::string()},
                line.where);
  }
  return prompts.finish(path);
}

}  // namespace scalekv::dataset
