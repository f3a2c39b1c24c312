#include "cache/calibration.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "base/sha256.h"
#include "base/strict_json.h"

namespace scalekv::cache {
namespace {

constexpr const char* kCalibrationFormat = "scalekv-calibration-2";
// Far above any model, and small enough that a false file cannot ask for all memory.
constexpr std::int64_t kMostSize = 4096;   // layers, heads, head size
constexpr std::int64_t kMostHeads = 8192;  // of all layers
constexpr std::int64_t kMostSide = 512;    // of a map
constexpr std::int64_t kMostCount = std::int64_t{1} << 40;

HeadStatistics read_head(const nlohmann::json& values, const std::string& at, const CacheGeometry& geometry,
                         int scale) {
  return {
      .current_share = json_number(values, "current_share", at),
      .concentration = json_number(values, "concentration", at),
      .dispersion = json_number(values, "dispersion", at),
      .received = json_numbers(values, "received", at, static_cast<std::size_t>(scale)),
      .lost = json_numbers(values, "lost", at, kept_grid(geometry.tokens_before(scale)).size()),
      .removal = json_numbers(values, "removal", at, removal_regions(geometry, scale)),
  };
}

void read_scale(const nlohmann::json& scales, int scale, const std::string& where, AttentionStatistics& statistics) {
  const CacheGeometry& geometry = statistics.geometry();
  const std::string at = fmt::format("{}, scale {}", where, scale + 1);
  const nlohmann::json& mine = scales.at(static_cast<std::size_t>(scale));
  const std::int64_t sequences = json_integer(mine, "sequences", at, 1, kMostCount);
  const nlohmann::json& layers = json_list(mine, "layers", at, static_cast<std::size_t>(geometry.layers));
  for (int layer = 0; layer < geometry.layers; ++layer) {
    const nlohmann::json& heads = layers.at(static_cast<std::size_t>(layer));
    if (!heads.is_array() || heads.size() != static_cast<std::size_t>(geometry.heads)) {
      fail("{}, layer {}: not a list of {} heads", at, layer, geometry.heads);
    }
    for (int head = 0; head < geometry.heads; ++head) {
      const std::string here = fmt::format("{}, layer {}, head {}", at, layer, head);
      statistics.set(scale, layer, head, read_head(heads.at(static_cast<std::size_t>(head)), here, geometry, scale),
                     sequences);
    }
  }
}

CacheGeometry read_geometry(const nlohmann::json& json, const std::string& where) {
  CacheGeometry geometry{.layers = static_cast<int>(json_integer(json, "layers", where, 1, kMostSize)),
                         .heads = static_cast<int>(json_integer(json, "heads", where, 1, kMostSize)),
                         .head_size = json_integer(json, "head_size", where, 1, kMostSize),
                         .scales = {}};
  const nlohmann::json& scales = json_list(json, "scales", where);
  const bool sane = !scales.empty() && scales.size() <= 64 && geometry.layers * geometry.heads <= kMostHeads;
  if (!sane) {
    fail("{}: {} scales of {} layers of {} heads are not possible", where, scales.size(), geometry.layers,
         geometry.heads);
  }
  for (const nlohmann::json& scale : scales) {
    const std::string at = fmt::format("{}, scale {}", where, geometry.scales.size() + 1);
    geometry.scales.push_back(
        {json_integer(scale, "height", at, 1, kMostSide), json_integer(scale, "width", at, 1, kMostSide)});
  }
  return geometry;
}

Settings read_settings(const nlohmann::json& json, const std::string& where) {
  if (!json.is_object()) fail("{}: \"settings\" is not an object", where);
  Settings settings;
  for (const auto& [key, value] : json.items()) settings[key] = json_text(json, key, where + ", \"settings\"");
  return settings;
}

// Six digits are far more than the statistics hold, and keep the file small.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

// Four significant digits, for values whose size says nothing.
nlohmann::json significant(const std::vector<double>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const double value : values) list.push_back(std::stod(fmt::format("{:.3e}", value)));
  return list;
}

nlohmann::json rounded(const std::vector<double>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

}  // namespace

void Calibration::check_model(const CacheGeometry& geometry) const {
  const CacheGeometry& mine = statistics.geometry();
  if (mine.layers != geometry.layers || mine.heads != geometry.heads) {
    fail("the calibration is of {}, which has {} layers of {} heads; this model has {} of {}: calibrate it", model,
         mine.layers, mine.heads, geometry.layers, geometry.heads);
  }
}

std::string Calibration::scales_missing(const CacheGeometry& geometry) const {
  const int mine = statistics.geometry().scale_count();
  if (mine >= geometry.scale_count()) return {};
  return fmt::format("the calibration knows {} scales, the picture takes {}", mine, geometry.scale_count());
}

void Calibration::check_fits(const CacheGeometry& geometry) const {
  check_model(geometry);
  const std::string missing = scales_missing(geometry);
  if (!missing.empty()) fail("{}; calibrate at this `size`", missing);
}

std::string prompts_sha256(std::span<const std::string> prompts) {
  Sha256 hash;
  for (const std::string& prompt : prompts) {
    const std::uint64_t size = prompt.size();  // so that no two lists run together to the same bytes
    hash.update(std::as_bytes(std::span(&size, 1)));
    hash.update(std::as_bytes(std::span(prompt)));
  }
  return hash.finish();
}

std::string to_json(const Calibration& calibration) {
  const AttentionStatistics& statistics = calibration.statistics;
  const CacheGeometry& geometry = statistics.geometry();
  nlohmann::ordered_json json = {{"format", kCalibrationFormat},   {"model", calibration.model},
                                 {"prompts", calibration.prompts}, {"layers", geometry.layers},
                                 {"heads", geometry.heads},        {"head_size", geometry.head_size}};
  if (!calibration.settings.empty()) {
    json["settings"] = calibration.settings;
    json["prompts_sha256"] = calibration.prompts_sha256;
  }
  const auto index = attention_selectivity(statistics);
  for (int scale = 0; scale < geometry.scale_count(); ++scale) {
    const MapSize& map = geometry.scales[static_cast<std::size_t>(scale)];
    nlohmann::ordered_json mine = {{"height", map.height},
                                   {"width", map.width},
                                   {"sequences", statistics.sequences(scale, 0)},
                                   {"selectivity_index", rounded(index[static_cast<std::size_t>(scale)])}};
    for (int layer = 0; layer < geometry.layers; ++layer) {
      nlohmann::ordered_json heads;
      for (int head = 0; head < geometry.heads; ++head) {
        const HeadStatistics means = statistics.at(scale, layer, head);
        heads.push_back({{"current_share", rounded(means.current_share)},
                         {"concentration", rounded(means.concentration)},
                         {"dispersion", rounded(means.dispersion)},
                         {"received", rounded(means.received)},
                         {"lost", rounded(means.lost)},
                         {"removal", significant(means.removal)}});
      }
      mine["layers"].push_back(std::move(heads));
    }
    json["scales"].push_back(std::move(mine));
  }
  return json.dump() + "\n";
}

Calibration parse_calibration(const std::string& json, const std::string& where) {
  const nlohmann::json read = parse_strict_json(json, where);
  if (json_member(read, "format", where) != kCalibrationFormat) {
    fail("{} is no calibration of this version: its format is not \"{}\"; calibrate again", where, kCalibrationFormat);
  }
  Calibration calibration{.model = json_text(read, "model", where),
                          .prompts = json_integer(read, "prompts", where, 1, kMostCount),
                          .statistics = AttentionStatistics(read_geometry(read, where))};
  if (read.contains("settings")) {
    calibration.settings = read_settings(read.at("settings"), where);
    calibration.prompts_sha256 = json_text(read, "prompts_sha256", where);
  }
  const nlohmann::json& scales = read.at("scales");
  for (int scale = 0; scale < calibration.statistics.geometry().scale_count(); ++scale) {
    read_scale(scales, scale, where, calibration.statistics);
  }
  return calibration;
}

Calibration read_calibration(const std::filesystem::path& path) {
  return parse_calibration(read_file(path), path.string());
}

}  // namespace scalekv::cache
