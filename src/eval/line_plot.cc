#include "eval/line_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace scalekv::eval {
namespace {

constexpr double kWidth = 720, kHeight = 440, kLeft = 80, kRight = 190, kTop = 48, kBottom = 56;

// A logarithmic axis from one power of ten to another, drawn from pixel `from` to pixel `to`.
struct Axis {
  int least = 0, most = 1;  // exponents
  double from = 0, to = 0;

  double at(double value) const { return from + (std::log10(value) - least) / (most - least) * (to - from); }
};

Axis make_axis(const std::vector<Series>& series, std::vector<double> Series::*values, double from, double to) {
  double least = 1e300, most = 1e-300;
  for (const Series& one : series) {
    for (const double value : one.*values) {
      least = std::min(least, value);
      most = std::max(most, value);
    }
  }
  if (least > most) least = most = 1.0;
  const auto low = static_cast<int>(std::floor(std::log10(least)));
  return {low, std::max(low + 1, static_cast<int>(std::ceil(std::log10(most)))), from, to};
}

std::string text(double x, double y, const std::string& anchor, const std::string& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, words);
}

std::string line(double x1, double y1, double x2, double y2, const char* colour) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2, y2,
                     colour);
}

}  // namespace

std::string log_plot_svg(const std::string& title, const std::string& x_name, const std::string& y_name,
                         const std::vector<Series>& series) {
  constexpr std::array kColours = {"#1f5fa8", "#c8452e", "#2e8b57", "#8a5fb0", "#b8860b", "#555555"};
  const Axis x = make_axis(series, &Series::x, kLeft, kWidth - kRight);
  const Axis y = make_axis(series, &Series::y, kHeight - kBottom, kTop);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"24\" font-size=\"14\">{3}</text>\n",
      kWidth, kHeight, kLeft, title);
  for (int power = x.least; power <= x.most; ++power) {
    const double at = x.at(std::pow(10.0, power));
    svg += line(at, y.from, at, y.to, "#dddddd") + text(at, y.from + 16, "middle", fmt::format("1e{}", power));
  }
  for (int power = y.least; power <= y.most; ++power) {
    const double at = y.at(std::pow(10.0, power));
    svg += line(x.from, at, x.to, at, "#dddddd") + text(x.from - 8, at + 4, "end", fmt::format("1e{}", power));
  }
  svg += text((x.from + x.to) / 2, kHeight - 16, "middle", x_name) + text(kLeft - 56, kTop - 12, "start", y_name);
  double legend = kTop;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Series& one = series[i];
    if (one.x.empty()) continue;
    const char* colour = kColours[i % kColours.size()];
    std::string path;
    for (std::size_t p = 0; p < one.x.size(); ++p) {
      const double px = x.at(one.x[p]), py = y.at(one.y[p]);
      path += fmt::format("{:.1f},{:.1f} ", px, py);
      if (!one.dashed)
        svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", px, py, colour);
    }
    const char* dashes = one.dashed ? " stroke-dasharray=\"5 4\"" : "";
    svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{}/>\n", path, colour, dashes);
    svg += fmt::format("<line x1=\"{0}\" y1=\"{2}\" x2=\"{1}\" y2=\"{2}\" stroke=\"{3}\"{4}/>\n", x.to + 12, x.to + 36,
                       legend, colour, dashes);
    svg += text(x.to + 42, legend + 4, "start", one.name);
    legend += 18;
  }
  return svg + "</svg>\n";
}

}  // namespace scalekv::eval
