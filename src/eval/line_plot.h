// Line plots as SVG.
#pragma once

#include <string>
#include <vector>

namespace scalekv::eval {

struct Series {
  std::string name;
  std::vector<double> x, y;  // of one length, positive
  bool dashed = false;
};

// Points and the lines between them on two logarithmic axes, with a legend. Series of no points are left out.
std::string log_plot_svg(const std::string& title, const std::string& x_name, const std::string& y_name,
                         const std::vector<Series>& series);

}  // namespace scalekv::eval
