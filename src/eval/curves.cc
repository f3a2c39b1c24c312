#include "eval/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace scalekv::eval {
namespace {

constexpr double kWidth = 640, kHeight = 360, kLeft = 70, kRight = 150, kTop = 36, kBottom = 46;
constexpr std::array kColours = {"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd",
                                 "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"};

// From values to places on one axis.
struct Axis {
  double least = std::numeric_limits<double>::max();
  double most = std::numeric_limits<double>::lowest();
  bool logarithmic = false;

  void include(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  double share(double value) const {
    const auto place = [&](double v) { return logarithmic ? std::log10(v) : v; };
    return most > least ? (place(value) - place(least)) / (place(most) - place(least)) : 0.5;
  }
  double at(double share_of_axis) const {
    if (!logarithmic) return least + share_of_axis * (most - least);
    return std::pow(10.0, std::log10(least) + share_of_axis * (std::log10(most) - std::log10(least)));
  }
};

double to_x(const Axis& axis, double value) { return kLeft + axis.share(value) * (kWidth - kLeft - kRight); }
double to_y(const Axis& axis, double value) {
  return kHeight - kBottom - axis.share(value) * (kHeight - kTop - kBottom);
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (int i = 0; i <= 4; ++i) {
    const double share = i / 4.0;
    const double at_x = to_x(x, x.at(share));
    const double at_y = to_y(y, y.at(share));
    svg += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#ddd\"/>\n", at_x, kTop,
                       kHeight - kBottom);
    svg += fmt::format("<line x1=\"{1}\" y1=\"{0:.1f}\" x2=\"{2}\" y2=\"{0:.1f}\" stroke=\"#ddd\"/>\n", at_y, kLeft,
                       kWidth - kRight);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.4g}</text>\n", at_x,
                       kHeight - kBottom + 16, x.at(share));
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.3g}</text>\n", kLeft - 6, at_y + 4,
                       y.at(share));
  }
  return svg;
}

std::string draw(const Curve& curve, const char* colour, const Axis& x, const Axis& y) {
  std::string path;
  std::string marks;
  for (const CurvePoint& point : curve.points) {
    const double at_x = to_x(x, point.x);
    const double at_y = to_y(y, point.y.mean);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at_x, at_y);
    marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", at_x, at_y, colour);
    marks += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n", at_x,
                         to_y(y, point.y.low), to_y(y, point.y.high), colour);
  }
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n{}", path, colour, marks);
}

}  // namespace

std::string curves_svg(const std::string& title, const std::string& x_name, const std::vector<Curve>& curves,
                       bool logarithmic) {
  Axis x, y;
  for (const Curve& curve : curves) {
    for (const CurvePoint& point : curve.points) {
      x.include(point.x);
      for (const double value : {point.y.mean, point.y.low, point.y.high}) y.include(value);
    }
  }
  y.logarithmic = logarithmic && y.least > 0.0;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"16\" y=\"22\" font-size=\"14\">{2}</text>\n<text x=\"{3}\" y=\"{4}\" "
      "text-anchor=\"middle\">{5}</text>\n",
      kWidth, kHeight, title, (kLeft + kWidth - kRight) / 2, kHeight - 10, x_name);
  if (!curves.empty()) svg += grid(x, y);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    svg += draw(curves[i], colour, x, y);
    const double line = kTop + 8 + 16 * static_cast<double>(i);
    svg += fmt::format(
        "<rect x=\"{0}\" y=\"{1}\" width=\"12\" height=\"4\" fill=\"{2}\"/>"
        "<text x=\"{3}\" y=\"{4}\">{5}</text>\n",
        kWidth - kRight + 14, line, colour, kWidth - kRight + 32, line + 6, curves[i].name);
  }
  return svg + "</svg>\n";
}

}  // namespace scalekv::eval
