// One reader for each kind of prompt list; they share the checks in PromptCollector.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "dataset/prompt_list.h"

namespace scalekv::dataset {

// Gathers prompts and refuses what is no prompt. `where` of its functions is "FILE, line 3" or "FILE, entry 3".
class PromptCollector {
 public:
  explicit PromptCollector(Layout layout) { list_.layout = layout; }

  // Throws Error where the text is blank, too long or holds a NUL, where the id or the style cannot name a file, where
  // the id was there before, and where there are too many prompts.
  void add(Prompt prompt, const std::string& where);
  // Throws Error where there is no prompt; `path` is for that message.
  PromptList finish(const std::filesystem::path& path);

 private:
  PromptList list_;
  std::set<std::string> ids_;
};

// The text of a file of prompts without a byte order mark. Throws Error where it is too large, or naming the line that
// is not UTF-8.
std::string read_prompt_file(const std::filesystem::path& path);

// One prompt a line; or one JSON object a line with "prompt" or "caption"; or GenEval's evaluation_metadata.jsonl.
PromptList read_prompt_lines(const std::filesystem::path& path);
// RFC 4180 with a header line that names a column prompt or caption.
PromptList read_csv_prompts(const std::filesystem::path& path);
// COCO captions, ImageReward's list of objects, HPSv2's list of strings.
PromptList read_json_prompts(const std::filesystem::path& path);
// DPG-Bench's folder of .txt files, HPSv2's folder of .json files.
PromptList read_prompt_folder(const std::filesystem::path& path);

}  // namespace scalekv::dataset
