// Curves as SVG.
#pragma once

#include <string>
#include <vector>

#include "eval/bootstrap.h"

namespace scalekv::eval {

struct CurvePoint {
  double x = 0.0;
  Estimate y;
};

struct Curve {
  std::string name;
  std::vector<CurvePoint> points;  // ascending in x
};

// Lines with points and confidence intervals and a legend; the vertical axis is logarithmic where `logarithmic` and
// all values are positive.
std::string curves_svg(const std::string& title, const std::string& x_name, const std::vector<Curve>& curves,
                       bool logarithmic);

}  // namespace scalekv::eval
