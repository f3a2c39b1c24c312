// Prompts one a line: plain text, JSON objects, GenEval's metadata.
#include <nlohmann/json.hpp>

#include "checkpoint/strict_json.h"
#include "core/error.h"
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
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    lines.push_back({line, fmt::format("{}, line {}", path.string(), number)});
  }
  return lines;
}

nlohmann::json parse_object(const Line& line) {
  nlohmann::json json = checkpoint::parse_strict_json(line.text, line.where);
  if (!json.is_object()) fail("{}: this is no JSON object", line.where);
  return json;
}

std::string prompt_of(const nlohmann::json& json, const std::string& where) {
  const char* key = json.contains("prompt") ? "prompt" : "caption";
  if (!json.contains(key) || !json[key].is_string()) {
    fail("{}: the JSON object has no text named \"prompt\" or \"caption\"", where);
  }
  return json[key];
}

// What GenEval's scorer asks of every object.
bool is_geneval(const nlohmann::json& json) {
  return json.contains("tag") && json["tag"].is_string() && json.contains("include") && json["include"].is_array();
}

}  // namespace

PromptList read_prompt_lines(const std::filesystem::path& path) {
  const std::string content = read_prompt_file(path);
  const std::vector<Line> lines = split_lines(content, path);
  const bool objects = path.extension() == ".jsonl" || (!lines.empty() && lines.front().text.starts_with('{'));
  if (!objects) {
    PromptCollector prompts(Layout::list);
    for (const Line& line : lines) prompts.add({.text = std::string(line.text)}, line.where);
    return prompts.finish(path);
  }
  const bool geneval = !lines.empty() && is_geneval(parse_object(lines.front()));
  PromptCollector prompts(geneval ? Layout::geneval : Layout::list);
  for (const Line& line : lines) {
    const nlohmann::json json = parse_object(line);
    if (geneval && !is_geneval(json)) fail("{}: GenEval's \"tag\" or \"include\" is missing here", line.where);
    prompts.add({.text = prompt_of(json, line.where), .metadata = geneval ? std::string(line.text) : std::string()},
                line.where);
  }
  return prompts.finish(path);
}

}  // namespace scalekv::dataset
