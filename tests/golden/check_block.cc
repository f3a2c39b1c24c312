#include <algorithm>

#include "base/error.h"
#include "cache/keep_plan.h"
#include "cache/layer_cache.h"
#include "golden/checks.h"
#include "infinity/block.h"
#include "infinity/rope.h"
#include "infinity/schedule.h"

namespace scalekv::golden {
namespace {

// The block's sizes, as far as a block shows them.
model::InfinityConfig read_config(const Fixture& fixture) {
  model::InfinityConfig config;
  config.depth = 1;
  config.width = fixture.shape("w.sa.proj.weight")[0];
  config.heads = fixture.shape("w.sa.scale_mul_1H11")[1];
  config.feed_forward = fixture.shape("w.ffn.fc1.weight")[0];
  return config;
}

// The positions' reference: the last map of the 1M schedule that starts like this one.
MapSize find_reference(const std::vector<MapSize>& scales) {
  for (const double ratio : infinity::aspect_ratios()) {
    const infinity::Schedule schedule = infinity::make_schedule(ratio, "1M");
    const bool prefix =
        scales.size() <= schedule.scales.size() && std::equal(scales.begin(), scales.end(), schedule.scales.begin());
    if (prefix) return schedule.reference;
  }
  fail("the block's schedule is none of the model's");
}

// Keys or values of a layer's history in the fixture's layout [R, H, N, D].
std::vector<float> join_history(const cache::KvStore& store, std::int64_t sequences, int heads, std::int64_t size,
                                bool keys) {
  std::vector<float> joined;
  for (std::int64_t sequence = 0; sequence < sequences; ++sequence) {
    for (int head = 0; head < heads; ++head) {
      const kernels::KeyValueSegment history = store.history(0, sequence, head);
      std::vector<float> rows(static_cast<std::size_t>(history.count * size));
      const kernels::KeyValueReader reader(history, size);
      keys ? reader.keys(0, history.count, rows.data()) : reader.values(0, history.count, rows.data());
      joined.insert(joined.end(), rows.begin(), rows.end());
    }
  }
  return joined;
}

}  // namespace

void check_block(const Fixture& fixture, Report& report) {
  if (!fixture.has("w.ada_gss") || !fixture.has("in.gss")) return;
  report.input_prefix(fixture, "w.");
  report.input_prefix(fixture, "in.");
  const model::InfinityConfig config = read_config(fixture);
  formats::WeightMap weights(fixture.source(), "w.", "block");
  const infinity::Block block(config, "", weights);

  const Numbers gss = fixture.numbers("in.gss");
  const std::int64_t sequences = gss.shape[0];
  const Numbers memory = fixture.numbers("in.kv");
  const std::vector<std::int64_t> offsets = fixture.integers("in.cu").values;
  const Tensor cross_memory = block.project_memory({memory.values.data(), memory.shape});
  std::vector<MapSize> scales = read_schedule(fixture.config().at("schedule"));
  const MapSize reference = find_reference(scales);
  // Scales that the fixture has, and one more: after the last one nothing would be kept.
  std::size_t count = 0;
  while (fixture.has(fmt::format("x.s{}", count))) ++count;
  scales.resize(std::min(scales.size(), count + 1));
  if (scales.size() == count) scales.push_back(scales.back());

  const cache::CacheGeometry geometry{
      .layers = 1, .heads = static_cast<int>(config.heads), .head_size = config.head_size(), .scales = scales};
  infinity::Workspace workspace(config, scales, sequences);
  cache::KvCache cache(cache::KeepPlan(geometry, cache::Budget()), nullptr, sequences, workspace.group);
  for (int scale = 0; scale < static_cast<int>(count); ++scale) {
    const MapSize map = scales[static_cast<std::size_t>(scale)];
    const std::string input = fmt::format("x.s{}", scale);
    report.input(input);
    Numbers x = fixture.numbers(input);
    const infinity::RotaryTable rotary = infinity::make_rotary_table(map, reference, config.head_size());
    std::map<std::string, std::vector<float>> parts;
    cache.begin_scale(scale);
    infinity::BlockContext context{.layer = 0,
                                   .scale = scale,
                                   .map = map,
                                   .modulation = {gss.values.data(), Shape{sequences, 6 * config.width}},
                                   .cross_memory = cross_memory.view<float>(),
                                   .offsets = offsets,
                                   .rotary = &rotary,
                                   .cache = &cache,
                                   .workspace = &workspace,
                                   .tap = {}};
    context.tap = [&](std::string_view part, View<const float> rows) {
      std::vector<float>& values = parts[std::string(part)];
      for (std::int64_t row = 0; row < rows.size(0); ++row) {
        values.insert(values.end(), rows.at(row, 0), rows.at(row, 0) + rows.size(1));
      }
    };
    block.forward({x.values.data(), Shape{sequences * map.tokens(), config.width}}, context);
    parts["y"] = x.values;
    for (const auto& [part, values] : parts) {
      const std::string name = fmt::format("{}.s{}", part, scale);
      if (fixture.has(name)) report.compare(name, fixture.numbers(name).values, values);
    }
  }
  cache.begin_scale(static_cast<int>(count));
  for (const bool keys : {true, false}) {
    const std::string name = keys ? "cache.k" : "cache.v";
    if (!fixture.has(name)) continue;
    report.compare(name, fixture.numbers(name).values,
                   join_history(cache.store(), sequences, geometry.heads, config.head_size(), keys));
  }
}

}  // namespace scalekv::golden
