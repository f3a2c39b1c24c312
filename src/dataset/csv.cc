#include "dataset/csv.h"

#include <algorithm>

#include "core/error.h"
#include "dataset/readers.h"

namespace scalekv::dataset {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::vector<CsvRow> parse() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      if (skip_line_end()) continue;
      CsvRow row{.line = line_, .fields = {}};
      do row.fields.push_back(parse_field());
      while (skip(','));
      if (at_ < text_.size() && !skip_line_end()) fail("{}, line {}: text follows a quoted field", file_, line_);
      if (!rows.empty() && row.fields.size() != rows.front().fields.size()) {
        fail("{}, line {}: {} fields instead of the {} of the first line; quote fields that hold commas", file_,
             row.line, row.fields.size(), rows.front().fields.size());
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool skip(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool skip_line_end() {
    const std::string_view rest = text_.substr(at_);
    const std::size_t length = rest.starts_with("\r\n") ? 2 : rest.starts_with('\n') ? 1 : 0;
    at_ += length;
    line_ += length > 0 ? 1 : 0;
    return length > 0;
  }

  std::string parse_field() {
    if (skip('"')) return parse_quoted();
    std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    std::string_view field = text_.substr(at_, end - at_);
    if (end < text_.size() && text_[end] == '\n' && field.ends_with('\r')) field.remove_suffix(1);
    if (field.find('"') != std::string_view::npos) {
      fail("{}, line {}: a quote within a field that is not quoted", file_, line_);
    }
    at_ += field.size();
    return std::string(field);
  }

  std::string parse_quoted() {
    const int begin = line_;
    std::string field;
    while (at_ < text_.size()) {
      const char next = text_[at_++];
      if (next == '"' && !skip('"')) return field;
      line_ += next == '\n' ? 1 : 0;
      field.push_back(next);
    }
    fail("{}, line {}: the quote that opens here is never closed", file_, begin);
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file) { return CsvParser(text, file).parse(); }

PromptList read_csv_prompts(const std::filesystem::path& path) {
  const std::vector<CsvRow> rows = parse_csv(read_prompt_file(path), path.string());
  if (rows.empty()) fail("{} is empty; its first line must name a column prompt or caption", path.string());
  const std::vector<std::string>& header = rows.front().fields;
  const auto is_prompt = [](const std::string& name) { return name == "prompt" || name == "caption"; };
  const auto column = std::find_if(header.begin(), header.end(), is_prompt);
  if (column == header.end()) fail("{}, line 1: no column is named prompt or caption", path.string());
  if (std::find_if(column + 1, header.end(), is_prompt) != header.end()) {
    fail("{}, line 1: two columns are named prompt or caption; leave one", path.string());
  }
  const auto index = static_cast<std::size_t>(column - header.begin());
  PromptCollector prompts(Layout::list);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    prompts.add({.text = rows[i].fields[index]}, fmt::format("{}, line {}", path.string(), rows[i].line));
  }
  return prompts.finish(path);
}

}  // namespace scalekv::dataset
