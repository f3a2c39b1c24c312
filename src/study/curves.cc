#include "study/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace scalekv::study {
namespace {

constexpr double kWidth = 700, kHeight = 380, kLeft = 70, kRight = 190, kTop = 52, kBottom = 46;
constexpr std::array kCurveColours = {"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd",
                                      "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"};

// From values to pixels along one axis, which runs from pixel `from` to pixel `to`.
class Axis {
 public:
  Axis(bool logarithmic, double from, double to) : from_(from), to_(to), logarithmic_(logarithmic) {}

  void include(double value) {
    least_ = std::min(least_, value);
    most_ = std::max(most_, value);
  }
  // After the last value: a logarithmic axis reaches from one of 1, 2, 5 times a power of ten to another.
  void close() {
    logarithmic_ = logarithmic_ && least_ > 0.0;
    if (!logarithmic_) return;
    const std::vector<double> marks = round_values();
    least_ = *std::prev(std::upper_bound(marks.begin(), marks.end(), least_));
    most_ = *std::lower_bound(marks.begin(), marks.end(), most_);
  }
  double at(double value) const {
    const auto place = [&](double v) { return logarithmic_ ? std::log10(v) : v; };
    const double share = most_ > least_ ? (place(value) - place(least_)) / (place(most_) - place(least_)) : 0.5;
    return from_ + share * (to_ - from_);
  }
  double from() const { return from_; }
  double to() const { return to_; }
  // Where lines cross the plot: at round values, or at five places.
  std::vector<double> marks() const {
    std::vector<double> marks;
    if (logarithmic_) {
      for (const double value : round_values()) {
        if (value >= least_ && value <= most_) marks.push_back(value);
      }
      return marks;
    }
    for (int i = 0; i <= 4; ++i) marks.push_back(least_ + i / 4.0 * (most_ - least_));
    return marks;
  }

 private:
  std::vector<double> round_values() const {
    std::vector<double> values;
    const int last = static_cast<int>(std::ceil(std::log10(most_))) + 1;
    for (int power = static_cast<int>(std::floor(std::log10(least_))); power <= last; ++power) {
      for (const double digit : {1.0, 2.0, 5.0}) values.push_back(digit * std::pow(10.0, power));
    }
    return values;
  }

  double least_ = std::numeric_limits<double>::max();
  double most_ = std::numeric_limits<double>::lowest();
  double from_, to_;
  bool logarithmic_;
};

std::string begin_svg(double width, double height, const std::string& title) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"16\" y=\"22\" font-size=\"14\">{2}</text>\n",
      width, height, title);
}

std::string text(double x, double y, const char* anchor, const std::string& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, words);
}

std::string line(double x1, double y1, double x2, double y2, const char* colour, bool dashed = false) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{}/>\n", x1, y1, x2,
                     y2, colour, dashed ? " stroke-dasharray=\"5 4\"" : "");
}

// Ten thousands and millions in full.
std::string label(double mark, int digits) {
  return std::abs(mark) >= 1e4 && std::abs(mark) < 1e7 ? fmt::format("{:.0f}", mark)
                                                       : fmt::format("{:.{}g}", mark, digits);
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (const double mark : x.marks()) {
    svg += line(x.at(mark), y.from(), x.at(mark), y.to(), "#ddd") +
           text(x.at(mark), y.from() + 16, "middle", label(mark, 4));
  }
  for (const double mark : y.marks()) {
    svg += line(x.from(), y.at(mark), x.to(), y.at(mark), "#ddd") +
           text(x.from() - 6, y.at(mark) + 4, "end", label(mark, 3));
  }
  return svg;
}

std::string draw(const Curve& curve, const char* colour, const Axis& x, const Axis& y) {
  std::string path;
  std::string marks;
  for (const CurvePoint& point : curve.points) {
    const double at_x = x.at(point.x), at_y = y.at(point.y.mean);
    path += fmt::format("{:.1f},{:.1f} ", at_x, at_y);
    if (curve.dashed) continue;
    marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", at_x, at_y, colour);
    if (point.y.low < point.y.high) marks += line(at_x, y.at(point.y.low), at_x, y.at(point.y.high), colour);
  }
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{}/>\n{}", path, colour,
                     curve.dashed ? " stroke-dasharray=\"5 4\"" : "", marks);
}

}  // namespace

std::string curves_svg(const std::string& title, const CurveAxis& x_axis, const CurveAxis& y_axis,
                       const std::vector<Curve>& curves) {
  Axis x(x_axis.logarithmic, kLeft, kWidth - kRight), y(y_axis.logarithmic, kHeight - kBottom, kTop);
  bool empty = true;
  for (const Curve& curve : curves) {
    for (const CurvePoint& point : curve.points) {
      x.include(point.x);
      for (const double value : {point.y.mean, point.y.low, point.y.high}) y.include(value);
      empty = false;
    }
  }
  std::string svg = begin_svg(kWidth, kHeight, title);
  svg += text((x.from() + x.to()) / 2, kHeight - 10, "middle", x_axis.name) + text(16, kTop - 10, "start", y_axis.name);
  if (empty) return svg + "</svg>\n";
  x.close();
  y.close();
  svg += grid(x, y);
  double legend = kTop + 8;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].points.empty()) continue;
    const char* colour = kCurveColours[i % kCurveColours.size()];
    svg += draw(curves[i], colour, x, y);
    svg += line(x.to() + 12, legend, x.to() + 32, legend, colour, curves[i].dashed) +
           text(x.to() + 38, legend + 4, "start", curves[i].name);
    legend += 16;
  }
  return svg + "</svg>\n";
}

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
  std::string svg = begin_svg(width, height, title);
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
