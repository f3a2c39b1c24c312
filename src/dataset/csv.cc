#include "dataset/csv.h"

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace scalekv::dataset {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& file, char delimiter)
      : text_(text), file_(file), delimiter_(delimiter) {}

  std::vector<CsvRow> parse() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      if (skip_line_end()) continue;
      CsvRow row{.line = line_, .fields = {}};
      do row.fields.push_back(parse_field());
      while (skip(delimiter_));
      if (at_ < text_.size() && !skip_line_end()) fail("{}, line {}: text follows a quoted field", file_, line_);
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

  // Where the first character from `at` on stands that is no space.
  std::size_t after_spaces(std::size_t at) const { return std::min(text_.find_first_not_of(' ', at), text_.size()); }

  std::string parse_field() {
    const std::size_t first = after_spaces(at_);
    if (first < text_.size() && text_[first] == '"') {
      if (std::optional<std::string> quoted = parse_quoted(first)) return *quoted;
    }
    const std::size_t end = std::min(text_.find_first_of(std::string{delimiter_, '\n'}, at_), text_.size());
    std::string_view field = text_.substr(at_, end - at_);
    if (end < text_.size() && text_[end] == '\n' && field.ends_with('\r')) field.remove_suffix(1);
    if (delimiter_ != '\t' && field.find('"') != std::string_view::npos) {
      fail("{}, line {}: a quote within a field that is not quoted", file_, line_);
    }
    at_ += field.size();
    return std::string(field);
  }

  // The field whose opening quote is at `open`; nothing where the quotes are part of the field, which only tabs allow.
  std::optional<std::string> parse_quoted(std::size_t open) {
    std::string field;
    for (std::size_t at = open + 1; at < text_.size(); ++at) {
      if (text_[at] == '"' && (at + 1 == text_.size() || text_[at + 1] != '"')) {
        const std::size_t after = after_spaces(at + 1);
        const std::string_view rest = text_.substr(after);
        const bool ends =
            rest.empty() || rest.front() == delimiter_ || rest.starts_with('\n') || rest.starts_with("\r\n");
        if (!ends && delimiter_ == '\t') return {};
        line_ += static_cast<int>(std::count(field.begin(), field.end(), '\n'));
        at_ = after;
        return field;
      }
      if (text_[at] == '"') ++at;
      field.push_back(text_[at]);
    }
    if (delimiter_ == '\t') return {};
    fail("{}, line {}: the quote that opens here is never closed", file_, line_);
  }

  std::string_view text_;
  const std::string& file_;
  char delimiter_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char delimiter) {
  return CsvParser(text, file, delimiter).parse();
}

}  // namespace scalekv::dataset
