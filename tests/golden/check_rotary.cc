#include <cmath>

#include "base/error.h"
#include "golden/checks.h"
#include "infinity/rope.h"
#include "infinity/schedule.h"
#include "kernels/query_key.h"

namespace scalekv::golden {
namespace {

// Cosines, then sines, of all scales of a 1M schedule.
struct JoinedTable {
  std::vector<float> cosine, sine;
};

JoinedTable join_tables(double ratio, std::int64_t head_size) {
  const infinity::Schedule schedule = infinity::make_schedule(ratio, "1M");
  JoinedTable joined;
  for (const MapSize& map : schedule.scales) {
    const infinity::RotaryTable table = infinity::make_rotary_table(map, schedule.reference, head_size);
    const View<const float> cosine = table.cosine.view<float>();
    const View<const float> sine = table.sine.view<float>();
    joined.cosine.insert(joined.cosine.end(), cosine.data(), cosine.data() + cosine.elements());
    joined.sine.insert(joined.sine.end(), sine.data(), sine.data() + sine.elements());
  }
  return joined;
}

// "idx.1.333": positions as numbers; with heads of 4, angle 0 is the row's position itself and angle 1 the column's.
void check_positions(const Fixture& fixture, const std::string& name, Report& report) {
  const JoinedTable joined = join_tables(std::stod(name.substr(name.find('.') + 1)), 4);
  const Numbers expected = fixture.numbers(name);
  std::vector<float> wanted;
  for (const float position : expected.values) wanted.push_back(std::cos(position));
  for (const float position : expected.values) wanted.push_back(std::sin(position));
  std::vector<float> actual = joined.cosine;
  actual.insert(actual.end(), joined.sine.begin(), joined.sine.end());
  report.compare(name, wanted, actual);
}

// "inv_freq.hd24": row 1 of a map that is its own reference turns by the frequencies.
void check_frequencies(const Fixture& fixture, const std::string& name, Report& report) {
  const std::int64_t size = std::stoll(name.substr(name.find("hd") + 2));
  const infinity::RotaryTable table = infinity::make_rotary_table({2, 1}, {2, 1}, size);
  std::vector<float> actual;
  for (std::int64_t i = 0; i < size / 4; ++i) {
    actual.push_back(std::atan2(table.sine.view<float>()(1, i), table.cosine.view<float>()(1, i)));
  }
  report.compare(name, fixture.numbers(name).values, actual);
}

// "cache.hd24.1.0" at the places "pos.hd24.1.0"; what lies behind the last scale is zero.
void check_table(const Fixture& fixture, const std::string& name, Report& report) {
  const std::string rest = name.substr(std::string("cache.hd").size());
  const std::int64_t size = std::stoll(rest);
  const JoinedTable joined = join_tables(std::stod(rest.substr(rest.find('.') + 1)), size);
  const std::string places = "pos.hd" + rest;
  report.input(places);
  std::vector<float> actual;
  for (const std::vector<float>* part : {&joined.cosine, &joined.sine}) {
    for (const std::int64_t place : fixture.integers(places).values) {
      for (std::int64_t i = 0; i < size / 2; ++i) {
        const auto index = static_cast<std::size_t>(place * (size / 2) + i);
        actual.push_back(index < part->size() ? (*part)[index] : 0.0F);
      }
    }
  }
  report.compare(name, fixture.numbers(name).values, actual);
}

// "apply.q" -> "apply.rq". The engine's rotation comes with normalisation: what was divided out is put back.
void check_rotation(const Fixture& fixture, const std::string& name, Report& report) {
  const std::string result = "apply.r" + name.substr(std::string("apply.").size());
  if (!fixture.has(result)) return;
  report.input(name);
  const Numbers x = fixture.numbers(name);  // [B, H, L, D]
  const std::int64_t heads = x.shape[1];
  const std::int64_t tokens = x.shape[2];
  const std::int64_t size = x.shape[3];
  const infinity::Schedule schedule = infinity::make_schedule(1.0, "1M");
  MapSize map;
  for (const MapSize& scale : schedule.scales) map = scale.tokens() == tokens ? scale : map;
  const infinity::RotaryTable table = infinity::make_rotary_table(map, schedule.reference, size);
  const Tensor zeros = Tensor::zeros<float>({heads * size}, MemoryKind::other);
  const std::vector<float> ones(static_cast<std::size_t>(heads), 1.0F);
  std::vector<float> actual;
  for (std::int64_t image = 0; image < x.shape[0]; ++image) {
    const View<const float> in = View<const float>(x.values.data(), x.shape)[image];  // [H, L, D]
    Tensor qkv(DType::f32, {tokens, 3, heads, size}, MemoryKind::other);
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t part = 0; part < 3; ++part) {
        for (std::int64_t h = 0; h < heads; ++h) std::copy_n(in.at(h, t, 0), size, qkv.view<float>().at(t, part, h, 0));
      }
    }
    kernels::normalise_rotate(qkv.view<float>(), zeros.view<float>(), zeros.view<float>(), {ones.data(), Shape{heads}},
                              table.cosine.view<float>(), table.sine.view<float>());
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        const float* original = in.at(h, t, 0);
        double norm = 0.0;
        for (std::int64_t d = 0; d < size; ++d) norm += static_cast<double>(original[d]) * original[d];
        const float* turned = qkv.view<float>().at(t, name.ends_with("k") ? 1 : 0, h, 0);
        for (std::int64_t d = 0; d < size; ++d) actual.push_back(turned[d] * static_cast<float>(std::sqrt(norm)));
      }
    }
  }
  report.compare(result, fixture.numbers(result).values, actual);
}

}  // namespace

void check_rotary(const Fixture& fixture, Report& report) {
  for (const std::string& name : fixture.names("idx.")) check_positions(fixture, name, report);
  for (const std::string& name : fixture.names("inv_freq.hd")) check_frequencies(fixture, name, report);
  for (const std::string& name : fixture.names("cache.hd")) check_table(fixture, name, report);
  for (const char* name : {"apply.q", "apply.k"}) {
    if (fixture.has(name)) check_rotation(fixture, name, report);
  }
}

}  // namespace scalekv::golden
