// Curves as SVG.
#pragma once

#include <string>
#include <vector>

#include "study/bootstrap.h"

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

}  // namespace scalekv::study
