// Heat maps as SVG.
#pragma once

#include <string>
#include <vector>

namespace scalekv::eval {

// A table of coloured cells, light (least) to dark (most), with the value in each. cells: [row][column], all rows of
// one length. Rows and columns are labelled `row_name` 1.., `column_name` 0...
std::string heat_map_svg(const std::string& title, const std::vector<std::vector<double>>& cells,
                         const std::string& row_name, const std::string& column_name);

}  // namespace scalekv::eval
