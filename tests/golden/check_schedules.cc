#include "base/error.h"
#include "golden/checks.h"
#include "infinity/schedule.h"

namespace scalekv::golden {
namespace {

void check_table(const nlohmann::json& table, Report& report) {
  for (const auto& [ratio, sizes] : table.items()) {
    for (const auto& [size, row] : sizes.items()) {
      const infinity::Schedule schedule = infinity::make_schedule(std::stod(ratio), size);
      const std::vector<MapSize> expected = read_schedule(row.at("scales_thw"));
      const std::vector<MapSize> largest = read_schedule(sizes.at("1M").at("scales_thw"));
      std::int64_t tokens = 0;
      for (const MapSize& map : schedule.scales) tokens += map.tokens();
      const bool same = schedule.scales == expected && tokens == row.at("tokens").get<std::int64_t>() &&
                        schedule.reference == largest.back();
      const MapSize last = schedule.scales.back();
      const bool pixels = last.height * 16 == row.at("pixel_hw").at(0).get<std::int64_t>() &&
                          last.width * 16 == row.at("pixel_hw").at(1).get<std::int64_t>();
      report.verdict(fmt::format("table.{}.{}", ratio, size), same && pixels,
                     fmt::format("{} scales, {} tokens", schedule.scales.size(), tokens));
    }
  }
}

}  // namespace

void check_schedules(const Fixture& fixture, Report& report) {
  const nlohmann::json& json = fixture.json();
  if (json.contains("templates_in_order")) {
    report.verdict("templates_in_order",
                   json["templates_in_order"].get<std::vector<double>>() == infinity::aspect_ratios(),
                   fmt::format("{} ratios", infinity::aspect_ratios().size()));
  }
  if (json.contains("table") && json["table"].is_object()) check_table(json["table"], report);
  if (json.contains("nearest_template_examples")) {
    for (const auto& [ratio, expected] : json["nearest_template_examples"].items()) {
      const infinity::Schedule schedule = infinity::make_schedule(std::stod(ratio), "1M");
      report.verdict("nearest." + ratio, schedule.aspect == expected.get<double>(), fmt::format("{}", schedule.aspect));
    }
  }
  const char* by_size = "bsq_vae_predefined_HW_Scales_dynamic";
  if (json.contains(by_size)) {
    // Keyed by the last map, "h,w": it must be the schedule of one ratio and preset.
    for (const auto& [key, list] : json[by_size].items()) {
      const std::vector<MapSize> expected = read_schedule(list);
      bool found = false;
      for (const double ratio : infinity::aspect_ratios()) {
        for (const std::string& size : infinity::size_presets()) {
          found = found || infinity::make_schedule(ratio, size).scales == expected;
        }
      }
      if (found) {
        report.verdict("by_size." + key, true, fmt::format("{} scales", expected.size()));
      } else {
        report.skip("by_size." + key, "the reference's VAE knows this schedule, its generator does not");
      }
    }
  }
}

}  // namespace scalekv::golden
