#include "study/token_map.h"

namespace scalekv::study {
namespace {

constexpr std::int64_t kCell = 64;  // pixels
constexpr std::int64_t kGap = 2;

// How much of each pixel of a cell the kept tokens cover: every token takes away a third of what was left in the dark.
std::vector<double> coverage(const std::vector<std::int32_t>& positions, const cache::CacheGeometry& geometry) {
  std::vector<double> dark(kCell * kCell, 1.0);
  int scale = 0;
  for (const std::int32_t position : positions) {
    while (position >= geometry.tokens_before(scale + 1)) ++scale;
    const MapSize map = geometry.scales[static_cast<std::size_t>(scale)];
    const std::int64_t inside = position - geometry.tokens_before(scale);
    const std::int64_t row = inside / map.width;
    const std::int64_t column = inside % map.width;
    for (std::int64_t y = row * kCell / map.height; y < (row + 1) * kCell / map.height; ++y) {
      for (std::int64_t x = column * kCell / map.width; x < (column + 1) * kCell / map.width; ++x) {
        dark[static_cast<std::size_t>(y * kCell + x)] *= 2.0 / 3.0;
      }
    }
  }
  for (double& share : dark) share = 1.0 - share;
  return dark;
}

void draw_cell(const Image& picture, const std::vector<double>& lit, std::int64_t top, std::int64_t left,
               Image& sheet) {
  for (std::int64_t y = 0; y < kCell; ++y) {
    for (std::int64_t x = 0; x < kCell; ++x) {
      const std::int64_t from = (y * picture.height / kCell * picture.width + x * picture.width / kCell) * 3;
      const auto* rgb = &picture.rgb[static_cast<std::size_t>(from)];
      const double grey = (rgb[0] + rgb[1] + rgb[2]) / 3.0;
      const double share = lit[static_cast<std::size_t>(y * kCell + x)];
      const double dim = 0.25 * grey;
      const double warm[3] = {0.5 * grey + 127.0, 0.5 * grey + 70.0, 0.4 * grey};
      auto* to = &sheet.rgb[static_cast<std::size_t>(((top + y) * sheet.width + left + x) * 3)];
      for (int c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(dim + share * (warm[c] - dim));
    }
  }
}

}  // namespace

TokenWatch::TokenWatch(const cache::CacheGeometry& geometry)
    : geometry_(geometry), heads_(static_cast<std::size_t>(geometry.layers * geometry.heads)) {}

std::vector<std::int32_t> TokenWatch::held(const Head& head, int scale) const {
  std::vector<std::int32_t> positions = head.positions;
  const std::int64_t first = geometry_.tokens_before(head.scale + 1);
  for (std::int64_t position = first; position < geometry_.tokens_before(scale + 1); ++position) {
    positions.push_back(static_cast<std::int32_t>(position));
  }
  return positions;
}

void TokenWatch::see(int scale, int layer, std::int64_t sequence, int head, std::span<const std::int32_t> kept) {
  if (sequence != 0 || scale + 1 >= geometry_.scale_count()) return;
  Head& mine = heads_[static_cast<std::size_t>(layer * geometry_.heads + head)];
  const std::vector<std::int32_t> before = held(mine, scale);
  mine.positions.clear();
  for (const std::int32_t index : kept) mine.positions.push_back(before[static_cast<std::size_t>(index)]);
  mine.scale = scale;
}

std::vector<std::int32_t> TokenWatch::history(int layer, int head) const {
  return held(heads_[static_cast<std::size_t>(layer * geometry_.heads + head)], geometry_.scale_count() - 2);
}

Image token_sheet(const Image& picture, const TokenWatch& watch, const cache::CacheGeometry& geometry) {
  Image sheet{
      .width = geometry.heads * (kCell + kGap) - kGap, .height = geometry.layers * (kCell + kGap) - kGap, .rgb = {}};
  sheet.rgb.assign(static_cast<std::size_t>(sheet.width * sheet.height * 3), 255);
  for (int layer = 0; layer < geometry.layers; ++layer) {
    for (int head = 0; head < geometry.heads; ++head) {
      draw_cell(picture, coverage(watch.history(layer, head), geometry), layer * (kCell + kGap), head * (kCell + kGap),
                sheet);
    }
  }
  return sheet;
}

}  // namespace scalekv::study
