#include "study/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace scalekv::study {

std::string heat_map_svg(const std::string& title, const std::vector<std::vector<double>>& cells,
                         const std::string& row_name, int first_row, const std::string& column_name) {
  constexpr int kCellWidth = 64, kCellHeight = 28, kLeft = 80, kTop = 64;
  double least = std::numeric_limits<double>::max();
  double most = std::numeric_limits<double>::lowest();
  std::size_t columns = 0;
  for (const std::vector<double>& row : cells) {
    columns = std::max(columns, row.size());
    for (const double cell : row) {
      least = std::min(least, cell);
      most = std::max(most, cell);
    }
  }
  const int width = kLeft + static_cast<int>(columns) * kCellWidth + 16;
  const int height = kTop + static_cast<int>(cells.size()) * kCellHeight + 16;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"16\" y=\"22\" font-size=\"14\">{2}</text>\n",
      width, height, title);
  for (std::size_t column = 0; column < columns; ++column) {
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{} {}</text>\n",
                       kLeft + static_cast<int>(column) * kCellWidth + kCellWidth / 2, kTop - 8, column_name, column);
  }
  for (std::size_t row = 0; row < cells.size(); ++row) {
    const int y = kTop + static_cast<int>(row) * kCellHeight;
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} {}</text>\n", kLeft - 8, y + 18, row_name,
                       static_cast<int>(row) + first_row);
    for (std::size_t column = 0; column < cells[row].size(); ++column) {
      const double share = most > least ? (cells[row][column] - least) / (most - least) : 0.0;
      const int x = kLeft + static_cast<int>(column) * kCellWidth;
      // From near white to a deep blue.
      svg += fmt::format(
          "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"rgb({},{},{})\"/>"
          "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{}\">{:.3f}</text>\n",
          x, y, kCellWidth - 1, kCellHeight - 1, std::lround(245 - 225 * share), std::lround(248 - 190 * share),
          std::lround(252 - 112 * share), x + kCellWidth / 2, y + 18, share > 0.5 ? "white" : "black",
          cells[row][column]);
    }
  }
  return svg + "</svg>\n";
}

}  // namespace scalekv::study
