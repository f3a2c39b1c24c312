// Curves and heat maps as SVG.
#pragma once

#include <string>
#include <vector>

#include "scalekv/evaluate.h"

namespace scalekv::study {

struct CurvePoint {
  double x = 0.0;
  Estimate y;
};

struct Curve {
  std::string name;
  std::vector<CurvePoint> points;  // ascending in x
  bool dashed = false;             // a line without points: what is expected, not measured
};

struct CurveAxis {
  std::string name;
  bool logarithmic = false;  // where all values are positive
};

// Lines with points, confidence intervals (where they are wider than nothing) and a legend. Curves without points are
// left out.
std::string curves_svg(const std::string& title, const CurveAxis& x, const CurveAxis& y,
                       const std::vector<Curve>& curves);

// A table of coloured cells, light (least) to dark (most), with the value in each. cells: [row][column], all rows of
// one length. Rows are labelled `row_name` first_row, first_row + 1, ..., columns `column_name` 0, 1, ...
std::string heat_map_svg(const std::string& title, const std::vector<std::vector<double>>& cells,
                         const std::string& row_name, int first_row, const std::string& column_name);

}  // namespace scalekv::study
