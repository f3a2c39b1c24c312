#include "infinity/schedule.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/numbers.h"

namespace scalekv::infinity {
namespace {

constexpr int kScales = 13;

// Maps of the 1M preset for height / width >= 1; wide pictures swap height and width.
struct TallSchedule {
  double aspect;
  std::array<MapSize, kScales> scales;
};

// clang-format off
constexpr std::array kTall = {
    TallSchedule{1.000, {{{1, 1}, {2, 2}, {4, 4}, {6, 6}, {8, 8}, {12, 12}, {16, 16}, {20, 20}, {24, 24}, {32, 32}, {40, 40}, {48, 48}, {64, 64}}}},
    TallSchedule{1.250, {{{1, 1}, {2, 2}, {3, 3}, {5, 4}, {10, 8}, {15, 12}, {20, 16}, {25, 20}, {30, 24}, {35, 28}, {45, 36}, {55, 44}, {70, 56}}}},
    TallSchedule{1.333, {{{1, 1}, {2, 2}, {4, 3}, {8, 6}, {12, 9}, {16, 12}, {20, 15}, {24, 18}, {28, 21}, {36, 27}, {48, 36}, {60, 45}, {72, 54}}}},
    TallSchedule{1.500, {{{1, 1}, {2, 2}, {3, 2}, {6, 4}, {9, 6}, {15, 10}, {21, 14}, {27, 18}, {33, 22}, {39, 26}, {48, 32}, {63, 42}, {78, 52}}}},
    TallSchedule{1.750, {{{1, 1}, {2, 2}, {3, 3}, {7, 4}, {11, 6}, {14, 8}, {21, 12}, {28, 16}, {35, 20}, {42, 24}, {56, 32}, {70, 40}, {84, 48}}}},
    TallSchedule{2.000, {{{1, 1}, {2, 2}, {4, 2}, {6, 3}, {10, 5}, {16, 8}, {22, 11}, {30, 15}, {38, 19}, {46, 23}, {60, 30}, {74, 37}, {90, 45}}}},
    TallSchedule{2.500, {{{1, 1}, {2, 2}, {5, 2}, {10, 4}, {15, 6}, {20, 8}, {25, 10}, {30, 12}, {40, 16}, {50, 20}, {65, 26}, {80, 32}, {100, 40}}}},
    TallSchedule{3.000, {{{1, 1}, {2, 2}, {6, 2}, {9, 3}, {15, 5}, {21, 7}, {27, 9}, {36, 12}, {45, 15}, {54, 18}, {72, 24}, {90, 30}, {111, 37}}}},
};
// clang-format on

struct Preset {
  std::string_view name;
  int scales;
};
constexpr std::array kPresets = {Preset{"0.06M", 7}, Preset{"0.25M", 10}, Preset{"0.60M", 12}, Preset{"1M", kScales}};

// The reference names the inverse of 1.5 "0.666": cut to three decimals.
double inverse_aspect(double aspect) { return std::floor(1000.0 / aspect) / 1000.0; }

// Rounding leaves 0.33 of 1:3: it is not refused for that.
constexpr double kRounding = 1.02;
constexpr double kTallest = 3.0 * kRounding;

// `asked`: the ratio as it was asked for.
void check_aspect(double height_over_width, std::string_view asked) {
  if (height_over_width <= kTallest && height_over_width >= 1.0 / kTallest) return;
  fail_usage("the aspect ratio {} is not possible; pictures are 3:1 (wide) to 1:3 (tall), as height / width 0.333 to 3",
             asked);
}

}  // namespace

const std::vector<std::string>& size_presets() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Preset& preset : kPresets) list.emplace_back(preset.name);
    return list;
  }();
  return names;
}

const std::vector<double>& aspect_ratios() {
  static const std::vector<double> ratios = [] {
    std::vector<double> list;
    for (const TallSchedule& tall : kTall) {
      list.push_back(tall.aspect);
      if (tall.aspect != 1.0) list.push_back(inverse_aspect(tall.aspect));
    }
    return list;
  }();
  return ratios;
}

Schedule make_schedule(double height_over_width, std::string_view size) {
  if (!(height_over_width > 0.0) || !std::isfinite(height_over_width)) {
    fail_usage("an aspect ratio (height / width) of {} is not possible", height_over_width);
  }
  const auto* preset = std::find_if(kPresets.begin(), kPresets.end(), [&](const Preset& p) { return p.name == size; });
  if (preset == kPresets.end()) {
    fail_usage("there is no size '{}'; choose one of: {}", size, fmt::join(size_presets(), ", "));
  }
  const std::vector<double>& ratios = aspect_ratios();
  const double nearest = *std::min_element(ratios.begin(), ratios.end(), [&](double a, double b) {
    return std::abs(a - height_over_width) < std::abs(b - height_over_width);
  });
  Schedule schedule{.aspect = nearest, .size = std::string(size), .scales = {}, .reference = {}};
  for (const TallSchedule& tall : kTall) {
    const bool wide = tall.aspect != 1.0 && inverse_aspect(tall.aspect) == nearest;
    if (!wide && tall.aspect != nearest) continue;
    for (const MapSize& map : tall.scales) {
      schedule.scales.push_back(wide ? MapSize{map.width, map.height} : map);
    }
  }
  schedule.reference = schedule.scales.back();
  schedule.scales.resize(static_cast<std::size_t>(preset->scales));
  return schedule;
}

void check_aspect(double height_over_width) {
  check_aspect(height_over_width, fmt::format("{} (height / width)", height_over_width));
}

double parse_aspect(const std::string& text) {
  if (text == "square") return 1.0;
  const auto colon = text.find(':');
  const auto width = colon == std::string::npos ? 1.0 : find_number<double>(std::string_view(text).substr(0, colon));
  const auto height = find_number<double>(std::string_view(text).substr(colon + 1));  // all of it without a colon
  if (!width || !height || *width <= 0.0 || *height <= 0.0) {
    fail_usage("'{}' is not an aspect ratio; write width:height (16:9), height/width (1.333) or square", text);
  }
  check_aspect(*height / *width, fmt::format("'{}'", text));
  return *height / *width;
}

}  // namespace scalekv::infinity
