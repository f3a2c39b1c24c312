#include "eval/prompt_list.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/file.h"

namespace scalekv::eval {

std::vector<std::string> read_prompts(const std::filesystem::path& path) {
  std::istringstream lines(read_file(path));
  std::vector<std::string> prompts;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    if (line.front() != '{') {
      prompts.push_back(line);
      continue;
    }
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("prompt") || !json["prompt"].is_string()) {
      fail("{}, line {}: no JSON object with a \"prompt\"", path.string(), number);
    }
    prompts.push_back(json["prompt"]);
  }
  if (prompts.empty()) fail("{} holds no prompts; write one a line", path.string());
  return prompts;
}

}  // namespace scalekv::eval
