#include "dataset/csv.h"

#include <csv.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/error.h"

namespace scalekv::dataset {
namespace {

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

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char delimiter) {
  return CsvParser(file, delimiter).parse(text);
}

}  // namespace scalekv::dataset
