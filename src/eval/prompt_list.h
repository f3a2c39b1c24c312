// Lists of prompts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace scalekv::eval {

// One prompt a line, or one JSON object with a "prompt" a line. Empty lines are skipped. Throws Error naming the file
// and the line where there is no prompt, and where there is none at all.
std::vector<std::string> read_prompts(const std::filesystem::path& path);

}  // namespace scalekv::eval
