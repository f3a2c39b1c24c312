// One reader for each kind of prompt list; they share the checks in PromptCollector.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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

// Whether a text may name a file in any folder: no separators, not hidden.
bool is_file_name(std::string_view name);

// The text of a file of prompts, as clean_text leaves it. Throws Error where it is too large.
std::string read_prompt_file(const std::filesystem::path& path);
// `content` without a byte order mark, and with line ends where it has only carriage returns. Throws Error naming the
// line that is not UTF-8.
std::string clean_text(std::string content, const std::filesystem::path& path);

// One prompt a line; where they are `objects`, one JSON object (or text) a line, or GenEval's
// evaluation_metadata.jsonl.
PromptList read_prompt_lines(std::string_view content, const std::filesystem::path& path, bool objects);
// Whether the first line is a header with a column of prompts.
bool is_table(std::string_view content);
// A table with a header line that names the column of the prompts; `usual`: the delimiter of such files.
PromptList read_table_prompts(std::string_view content, const std::filesystem::path& path, char usual);
// COCO captions, ImageReward's list of objects, HPSv2's list of strings, and other lists and objects of prompts.
PromptList read_json_prompts(std::string_view content, const std::filesystem::path& path);
// DPG-Bench's folder of .txt files, HPSv2's folder of .json files.
PromptList read_prompt_folder(const std::filesystem::path& path);

// Tables as text: comma-separated values as RFC 4180 describes them, and those with tabs or semicolons.
struct CsvRow {
  int line = 0;  // where it begins
  std::vector<std::string> fields;
};

// Fields may be quoted, quotes within are doubled; spaces around fields are dropped; lines end in LF or CRLF; blank
// lines are skipped. Throws Error naming `file` and the line where a quote is out of place. Between tabs a quote is
// never out of place: in a row where one does not enclose its field, quotes are text.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char delimiter = ',');

}  // namespace scalekv::dataset
