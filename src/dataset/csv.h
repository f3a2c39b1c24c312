// Comma-separated values as RFC 4180 describes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scalekv::dataset {

struct CsvRow {
  int line = 0;  // where it begins
  std::vector<std::string> fields;
};

// Fields may be quoted; quotes within are doubled; lines end in LF or CRLF; blank lines are skipped. Throws Error
// naming `file` and the line where a quote is out of place, and where a row has more or fewer fields than the first.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file);

}  // namespace scalekv::dataset
