// Tables as text: comma-separated values as RFC 4180 describes them, and those with tabs or semicolons.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scalekv::dataset {

struct CsvRow {
  int line = 0;  // where it begins
  std::vector<std::string> fields;
};

// Fields may be quoted, quotes within are doubled; spaces around fields are dropped; lines end in LF or CRLF; blank
// lines are skipped. Throws Error naming `file` and the line where a quote is out of place. Between tabs a quote is
// never out of place: in a row where one does not enclose its field, quotes are text.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char delimiter = ',');

}  // namespace scalekv::dataset
