// Heat maps as SVG.
#pragma once

#include <string>
#include <vector>

namespace scalekv::study {

// A table of coloured cells, light (least) to dark (most), with the value in each. cells: [row][column], all rows of
// one length. Rows are labelled `row_name` first_row, first_row + 1, ..., columns `column_name` 0, 1, ...
std::string heat_map_svg(const std::string& title, const std::vector<std::vector<double>>& cells,
                         const std::string& row_name, int first_row, const std::string& column_name);

}  // namespace scalekv::study
