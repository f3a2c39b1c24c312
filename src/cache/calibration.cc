#include "cache/calibration.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "checkpoint/strict_json.h"
#include "core/error.h"
#include "core/file.h"

namespace scalekv::cache {
namespace {

constexpr const char* kFormat = "scalekv-calibration-1";
constexpr std::int64_t kMost = 4096;  // layers, heads, scales, a map's side: far above any model

// Reads one calibration; every complaint says where in the file.
class Reader {
 public:
  Reader(const std::string& text, std::string where)
      : where_(std::move(where)), json_(checkpoint::parse_strict_json(text, where_)) {}

  Calibration read() const {
    const nlohmann::json& format = member(json_, "format", where_);
    if (format != kFormat) fail("{} is no calibration: its format is not \"{}\"", where_, kFormat);
    CacheGeometry geometry{.layers = static_cast<int>(integer(json_, "layers", where_, kMost)),
                           .heads = static_cast<int>(integer(json_, "heads", where_, kMost)),
                           .head_size = integer(json_, "head_size", where_, kMost),
                           .scales = {}};
    const nlohmann::json& scales = array(json_, "scales", where_, 0);
    if (scales.empty() || scales.size() > 64) fail("{}: {} scales are not possible", where_, scales.size());
    for (const nlohmann::json& scale : scales) {
      const std::string at = fmt::format("{}, scale {}", where_, geometry.scales.size() + 1);
      geometry.scales.push_back({integer(scale, "height", at, kMost), integer(scale, "width", at, kMost)});
    }
    Calibration calibration{.model = text(json_, "model"),
                            .prompts = integer(json_, "prompts", where_, std::int64_t{1} << 40),
                            .statistics = AttentionStatistics(geometry)};
    for (int scale = 0; scale < geometry.scale_count(); ++scale) read_scale(scales, scale, calibration.statistics);
    return calibration;
  }

 private:
  const nlohmann::json& member(const nlohmann::json& object, const char* key, const std::string& at) const {
    if (!object.is_object() || !object.contains(key)) fail("{}: \"{}\" is missing; calibrate again", at, key);
    return object.at(key);
  }

  std::string text(const nlohmann::json& object, const char* key) const {
    const nlohmann::json& value = member(object, key, where_);
    if (!value.is_string()) fail("{}: \"{}\" is not a text", where_, key);
    return value.get<std::string>();
  }

  std::int64_t integer(const nlohmann::json& object, const char* key, const std::string& at, std::int64_t most) const {
    const nlohmann::json& value = member(object, key, at);
    if (!value.is_number_integer() || value < 1 || value > most) {
      fail("{}: \"{}\" is not a whole number from 1 to {}", at, key, most);
    }
    return value.get<std::int64_t>();
  }

  // size 0: any.
  const nlohmann::json& array(const nlohmann::json& object, const char* key, const std::string& at,
                              std::size_t size) const {
    const nlohmann::json& value = member(object, key, at);
    if (!value.is_array()) fail("{}: \"{}\" is not a list", at, key);
    if (size != 0 && value.size() != size) fail("{}: \"{}\" has {} entries, not {}", at, key, value.size(), size);
    return value;
  }

  double number(const nlohmann::json& value, const char* key, const std::string& at) const {
    const double read = value.is_number() ? value.get<double>() : -1.0;
    if (!(read >= 0.0) || !std::isfinite(read)) fail("{}: \"{}\" holds something that is no number from 0 up", at, key);
    return read;
  }

  std::vector<double> numbers(const nlohmann::json& object, const char* key, const std::string& at,
                              std::size_t size) const {
    std::vector<double> values;
    if (size == 0) return values;
    for (const nlohmann::json& value : array(object, key, at, size)) values.push_back(number(value, key, at));
    return values;
  }

  void read_scale(const nlohmann::json& scales, int scale, AttentionStatistics& statistics) const {
    const CacheGeometry& geometry = statistics.geometry();
    const std::string at = fmt::format("{}, scale {}", where_, scale + 1);
    const nlohmann::json& mine = scales.at(static_cast<std::size_t>(scale));
    const std::int64_t sequences = integer(mine, "sequences", at, std::int64_t{1} << 40);
    const nlohmann::json& layers = array(mine, "layers", at, static_cast<std::size_t>(geometry.layers));
    const std::size_t entries = kept_grid(geometry.tokens_before(scale)).size();
    for (int layer = 0; layer < geometry.layers; ++layer) {
      const nlohmann::json& heads = layers.at(static_cast<std::size_t>(layer));
      if (!heads.is_array() || heads.size() != static_cast<std::size_t>(geometry.heads)) {
        fail("{}, layer {}: not a list of {} heads", at, layer, geometry.heads);
      }
      for (int head = 0; head < geometry.heads; ++head) {
        const std::string here = fmt::format("{}, layer {}, head {}", at, layer, head);
        const nlohmann::json& values = heads.at(static_cast<std::size_t>(head));
        HeadStatistics read{
            .current_share = number(member(values, "current_share", here), "current_share", here),
            .concentration = number(member(values, "concentration", here), "concentration", here),
            .dispersion = number(member(values, "dispersion", here), "dispersion", here),
            .received = numbers(values, "received", here, static_cast<std::size_t>(scale)),
            .lost = numbers(values, "lost", here, entries),
        };
        statistics.set(scale, layer, head, read, sequences);
      }
    }
  }

  std::string where_;
  nlohmann::json json_;
};

// Six digits are far more than the statistics hold, and keep the file small.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

nlohmann::json rounded(const std::vector<double>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

}  // namespace

void Calibration::check_fits(const CacheGeometry& geometry) const {
  const CacheGeometry& mine = statistics.geometry();
  if (mine.layers != geometry.layers || mine.heads != geometry.heads) {
    fail("the calibration is of {}, which has {} layers of {} heads; this model has {} of {}: calibrate it", model,
         mine.layers, mine.heads, geometry.layers, geometry.heads);
  }
  if (mine.scale_count() < geometry.scale_count()) {
    fail("the calibration knows {} scales, the picture takes {}; calibrate at this --size", mine.scale_count(),
         geometry.scale_count());
  }
}

std::string to_json(const Calibration& calibration) {
  const AttentionStatistics& statistics = calibration.statistics;
  const CacheGeometry& geometry = statistics.geometry();
  nlohmann::ordered_json json = {
      {"format", kFormat},         {"model", calibration.model}, {"prompts", calibration.prompts},
      {"layers", geometry.layers}, {"heads", geometry.heads},    {"head_size", geometry.head_size}};
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
                         {"lost", rounded(means.lost)}});
      }
      mine["layers"].push_back(std::move(heads));
    }
    json["scales"].push_back(std::move(mine));
  }
  return json.dump() + "\n";
}

Calibration parse_calibration(const std::string& json, const std::string& where) { return Reader(json, where).read(); }

Calibration read_calibration(const std::filesystem::path& path) {
  return parse_calibration(read_file(path), path.string());
}

}  // namespace scalekv::cache
