// Prompts in one column of a table, whose first line names the columns.
#include <csv.h>

#include <algorithm>
#include <array>
#include <new>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "dataset/prompt_names.h"
#include "dataset/readers.h"

namespace scalekv::dataset {
namespace {

struct Delimiter {
  char mark;
  const char* plural;
};
constexpr std::array kDelimiters = {Delimiter{'\t', "tabs"}, Delimiter{';', "semicolons"}, Delimiter{',', "commas"}};

bool is_blank(std::string_view text) { return trim(text).empty(); }

// The names in a header line. Line ends and delimiters within quotes are left to the parser.
std::vector<std::string_view> header_names(std::string_view line, char delimiter) {
  std::vector<std::string_view> names;
  for (bool more = true; more;) {
    const std::size_t end = line.find(delimiter);
    std::string_view name = trim(line.substr(0, end));
    if (name.size() > 1 && name.starts_with('"') && name.ends_with('"')) name = name.substr(1, name.size() - 2);
    names.push_back(name);
    more = end != std::string_view::npos;
    if (more) line.remove_prefix(end + 1);
  }
  return names;
}

std::string_view first_line(std::string_view content) {
  while (!content.empty()) {
    const std::string_view line = content.substr(0, content.find('\n'));
    if (!is_blank(line)) return line;
    content.remove_prefix(std::min(line.size() + 1, content.size()));
  }
  return content;
}

// What stands in the header in the place of a column of prompts; the column else.
std::size_t find_column(const std::vector<std::string>& header, const std::string& where) {
  std::size_t column = header.size();
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto rank = prompt_rank(header[i]);
    if (!rank) continue;
    const auto best = column < header.size() ? prompt_rank(header[column]) : std::nullopt;
    if (best == rank) fail("{}: two columns are named {}; leave one", where, trim(header[i]));
    if (!best || *rank < *best) column = i;
  }
  if (column == header.size()) {
    fail("{}: no column is named {}; {}; name the column of the prompts so, or give the prompts alone as .txt", where,
         prompt_names(), found_names(header));
  }
  return column;
}

// A table of one column may have no header: what has white space within is a prompt rather than a name.
bool is_prompt_alone(const std::vector<std::string>& header) {
  return header.size() == 1 && !prompt_rank(header.front()) &&
         trim(header.front()).find_first_of(" \t\n") != std::string_view::npos;
}

// More fields than the header has are fewer columns than the line has commas; empty ones at the end say nothing. Fewer
// are a fault, too, but between tabs, where editors cut off the white space at the end of a line.
void check_fields(const CsvRow& row, std::size_t columns, std::size_t column, const Delimiter& delimiter,
                  const std::string& where) {
  const auto begin = row.fields.begin() + static_cast<std::ptrdiff_t>(std::min(columns, row.fields.size()));
  const bool more = !std::all_of(begin, row.fields.end(), is_blank);
  const bool fewer = row.fields.size() < columns && (delimiter.mark != '\t' || row.fields.size() <= column);
  if (more || fewer) {
    fail("{}: {} fields instead of the {} of the first line; quote fields that hold {}", where, row.fields.size(),
         columns, delimiter.plural);
  }
}

// libcsv, given a line at a time, so that every row and every fault has its line.
class CsvParser {
 public:
  CsvParser(const std::string& file, char delimiter) : file_(file), delimiter_(delimiter) { begin(); }
  ~CsvParser() { csv_free(&parser_); }
  CsvParser(const CsvParser&) = delete;
  CsvParser& operator=(const CsvParser&) = delete;

  std::vector<CsvRow> parse(std::string_view text) {
    std::string_view from_row = text;  // what follows the last whole row
    while (!text.empty()) {
      if (parser_.quoted == 0) {
        from_row = text;
        row_.line = field_line_ = line_;
      }
      const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
      text.remove_prefix(line.size());
      const bool sound = read(line);
      const bool closed = !sound || !text.empty() || csv_fini(&parser_, end_field, end_row, this) == 0;
      if (sound && closed) {
        ++line_;
      } else if (delimiter_ == '\t') {
        text = split_at_tabs(from_row);
      } else {
        refuse(closed);
      }
    }
    return std::move(rows_);
  }

 private:
  void begin() {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
    csv_set_delim(&parser_, static_cast<unsigned char>(delimiter_));
    // A carriage return ends a line before a line feed only: elsewhere it is part of the field.
    csv_set_space_func(&parser_, [](unsigned char c) { return static_cast<int>(c == ' ' || c == '\r'); });
    csv_set_term_func(&parser_, [](unsigned char c) { return static_cast<int>(c == '\n'); });
  }

  static void end_field(void* text, std::size_t size, void* self) {
    auto& parser = *static_cast<CsvParser*>(self);
    parser.row_.fields.emplace_back(static_cast<const char*>(text), size);
    parser.field_line_ = parser.line_;
  }

  static void end_row(int, void* self) {
    auto& parser = *static_cast<CsvParser*>(self);
    parser.rows_.push_back({.line = parser.row_.line, .fields = std::exchange(parser.row_.fields, {})});
  }

  bool read(std::string_view line) {
    return csv_parse(&parser_, line.data(), line.size(), end_field, end_row, this) == line.size();
  }

  // The row again that `text` begins with, as fields whose quotes are text. Returns what follows its line.
  std::string_view split_at_tabs(std::string_view text) {
    csv_free(&parser_);
    begin();
    row_.fields.clear();
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    for (std::size_t tab = line.find('\t'); tab != std::string_view::npos; tab = line.find('\t')) {
      row_.fields.emplace_back(line.substr(0, tab));
      line.remove_prefix(tab + 1);
    }
    row_.fields.emplace_back(line);
    end_row('\n', this);
    line_ = row_.line + 1;
    return text;
  }

  [[noreturn]] void refuse(bool closed) {
    if (csv_error(&parser_) != CSV_EPARSE) throw std::bad_alloc();
    if (!closed) fail("{}, line {}: the quote that opens here is never closed", file_, field_line_);
    if (parser_.quoted == 0) fail("{}, line {}: a quote within a field that is not quoted", file_, line_);
    fail("{}, line {}: text follows a quoted field", file_, line_);
  }

  std::vector<CsvRow> rows_;
  CsvRow row_;  // the one that is being read
  csv_parser parser_{};
  const std::string& file_;
  char delimiter_;
  int line_ = 1;
  int field_line_ = 1;  // where the field begins that is being read
};

}  // namespace

bool is_table(std::string_view content) {
  const std::string_view line = first_line(content);
  return std::any_of(kDelimiters.begin(), kDelimiters.end(), [&](const Delimiter& delimiter) {
    const auto names = header_names(line, delimiter.mark);
    // "caption, text" is a line of words; a header has no spaces there.
    const bool words = delimiter.mark != '\t' && line.find(std::string{delimiter.mark, ' '}) != std::string_view::npos;
    return names.size() > 1 && !words && std::any_of(names.begin(), names.end(), prompt_rank);
  });
}

PromptList read_table_prompts(std::string_view content, const std::filesystem::path& path, char usual) {
  // What spreadsheets write first to name the delimiter.
  const std::string_view first = trim(first_line(content));
  if (first.size() == 5 && first.starts_with("sep=")) content.remove_prefix(content.find(first) + first.size());
  const std::string_view line = first_line(content);
  // Of the delimiters, the one that finds a column of prompts; else the one that finds most columns, the usual one
  // where none finds several.
  const auto worth = [&](const Delimiter& delimiter) {
    const auto names = header_names(line, delimiter.mark);
    const bool found = names.size() > 1 && std::any_of(names.begin(), names.end(), prompt_rank);
    const bool is_usual = delimiter.mark == usual;
    return std::tuple(found, found && is_usual, names.size(), is_usual);
  };
  const auto* delimiter = std::max_element(kDelimiters.begin(), kDelimiters.end(),
                                           [&](const auto& a, const auto& b) { return worth(a) < worth(b); });

  const std::vector<CsvRow> rows = parse_csv(content, path.string(), delimiter->mark);
  if (rows.empty()) {
    fail("{} is empty; its first line must name a column {}", path.string(), prompt_names());
  }
  const std::vector<std::string>& header = rows.front().fields;
  const bool alone = is_prompt_alone(header);
  const std::string heading = fmt::format("{}, line {}", path.string(), rows.front().line);
  const std::size_t column = alone ? 0 : find_column(header, heading);
  PromptCollector prompts(Layout::list);
  for (std::size_t i = alone ? 0 : 1; i < rows.size(); ++i) {
    if (std::all_of(rows[i].fields.begin(), rows[i].fields.end(), is_blank)) continue;
    const std::string where = fmt::format("{}, line {}", path.string(), rows[i].line);
    check_fields(rows[i], header.size(), column, *delimiter, where);
    prompts.add({.text = rows[i].fields[column]}, where);
  }
  return prompts.finish(path);
}

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char delimiter) {
  return CsvParser(file, delimiter).parse(text);
}

}  // namespace scalekv::dataset
