#include "golden/model_case.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/error.h"
#include "golden/maps.h"

namespace scalekv::golden {
namespace {

backend::CpuBackend load_transformer(const Fixture& fixture) {
  formats::WeightMap weights(fixture.source(), "gpt.", "transformer");
  const Shape& bits = fixture.shape("in.bits.s0");
  return testing::transformer_of(model::infer_infinity_config(weights, bits[bits.rank() - 1]), weights);
}

// Rows of `features` for each of `lengths`, one after another.
std::vector<Tensor> split_texts(const Numbers& features, const std::vector<std::int64_t>& lengths) {
  const std::int64_t width = features.shape[1];
  std::vector<Tensor> texts;
  const float* row = features.values.data();
  std::int64_t rows = 0;
  for (const std::int64_t length : lengths) {
    rows += length;
    if (rows > features.shape[0]) fail("texts of {} rows or more in {} rows", rows, features.shape[0]);
    Tensor text(DType::f32, {length, width}, MemoryKind::other);
    std::copy_n(row, length * width, text.view<float>().data());
    row += length * width;
    texts.push_back(std::move(text));
  }
  return texts;
}

// Negative prompts: features under another name than in.kv_compact; their lengths follow from the joined offsets.
std::vector<Tensor> read_negative(const Fixture& fixture, std::size_t images) {
  for (const std::string& name : fixture.names()) {
    if (!name.starts_with("in.") && !name.starts_with("neg")) continue;
    const Shape& shape = fixture.shape(name);
    const bool features = shape.rank() == 2 && shape[1] == fixture.shape("in.kv_compact")[1];
    if (!features || name == "in.kv_compact") continue;
    std::vector<std::int64_t> lengths;
    if (fixture.has("txt.cu_seqlens_k")) {
      const std::vector<std::int64_t> offsets = fixture.integers("txt.cu_seqlens_k").values;
      for (std::size_t i = images; i + 1 < offsets.size(); ++i) lengths.push_back(offsets[i + 1] - offsets[i]);
    } else {
      lengths.assign(images, shape[0] / static_cast<std::int64_t>(images));
    }
    return split_texts(fixture.numbers(name), lengths);
  }
  return {};
}

std::vector<float> per_scale(const Fixture& fixture, const std::string& name, std::size_t scales) {
  std::vector<float> values = fixture.numbers(name).values;
  if (values.size() == 1) values.assign(scales, values[0]);
  return values;
}

// The list of layers (negative: from the end) of which 0 means the logits.
int read_guidance_layer(const Fixture& fixture) {
  const nlohmann::json& config = fixture.config();
  if (!config.contains("cfg_insertion_layer")) return 0;
  const nlohmann::json& layers = config["cfg_insertion_layer"];
  if (layers.is_number()) return -layers.get<int>();
  std::vector<int> places;  // the reference reads 1, guidance on probabilities, and then does nothing about it
  for (const nlohmann::json& layer : layers) {
    if (layer.get<int>() != 1) places.push_back(layer.get<int>());
  }
  if (places.size() != 1) fail("guidance at {} places at once is not supported", places.size());
  if (places[0] > 0) fail("cfg_insertion_layer {} is not known", places[0]);
  return -places[0];
}

infinity::Schedule read_request_schedule(const Fixture& fixture) {
  const nlohmann::json& config = fixture.config();
  const std::vector<MapSize> scales = read_schedule(fixture.integers("in.scale_schedule"));
  double ratio = static_cast<double>(scales.back().height) / static_cast<double>(scales.back().width);
  if (fixture.json().contains("tmpl")) ratio = fixture.json()["tmpl"].get<double>();
  if (config.contains("h_div_w")) ratio = config["h_div_w"].get<double>();
  infinity::Schedule schedule = infinity::make_schedule(ratio, "1M");
  schedule.size = config.value("pn", "1M");
  schedule.scales = scales;
  return schedule;
}

}  // namespace

ModelCase::ModelCase(const Fixture& fixture) : backend(load_transformer(fixture)) {
  request.schedule = read_request_schedule(fixture);
  const std::size_t scales = request.schedule.scales.size();
  request.texts = split_texts(fixture.numbers("in.kv_compact"), fixture.integers("in.lens").values);
  const auto images = static_cast<std::size_t>(fixture.shape("in.bits.s0")[0]);
  if (request.texts.size() == 2 * images) {  // negative prompts behind the prompts
    request.negative.assign(std::make_move_iterator(request.texts.begin() + static_cast<std::ptrdiff_t>(images)),
                            std::make_move_iterator(request.texts.end()));
    request.texts.resize(images);
  } else {
    request.negative = read_negative(fixture, images);
  }
  if (request.texts.size() != images) fail("{} texts for {} images", request.texts.size(), images);
  request.cfg = per_scale(fixture, "in.cfg", scales);
  request.tau = per_scale(fixture, "in.tau", scales);
  request.guidance_layer = read_guidance_layer(fixture);
  request.policy.name = "full";
  request.seeds.resize(request.texts.size());
  for (std::size_t scale = 0; scale < scales; ++scale) {
    bits.push_back(split_bits(fixture.integers(fmt::format("in.bits.s{}", scale))));
    const std::string subset = fmt::format("pos.s{}", scale);
    positions.emplace_back();
    if (fixture.has(subset)) positions.back() = fixture.integers(subset).values;
  }
  request.forced = &bits;
}

void compare_rows(const Fixture& fixture, Report& report, const ModelCase& model, const std::string& name, int scale,
                  View<const float> rows) {
  if (!fixture.has(name)) return;
  const auto index = static_cast<std::size_t>(scale);
  const Numbers expected = fixture.numbers(name);
  const std::int64_t tokens = model.request.schedule.scales[index].tokens();
  std::vector<std::int64_t> positions = model.positions[index];
  if (expected.shape.rank() != 3 || expected.shape[1] == tokens) positions.clear();
  const std::int64_t stored = positions.empty() ? tokens : static_cast<std::int64_t>(positions.size());
  const std::int64_t width = rows.size(1);
  const bool fits = expected.shape.rank() == 3 && expected.shape[1] == stored && expected.shape[2] == width &&
                    expected.shape[0] * tokens <= rows.size(0);
  if (!fits) {
    report.verdict(name, false,
                   fmt::format("shape {}, the engine has {}", expected.shape.to_string(), rows.shape().to_string()));
    return;
  }
  std::vector<float> actual;
  actual.reserve(expected.values.size());
  for (std::int64_t r = 0; r < expected.shape[0]; ++r) {
    for (std::int64_t p = 0; p < stored; ++p) {
      const std::int64_t position = positions.empty() ? p : positions[static_cast<std::size_t>(p)];
      const float* row = rows.at(r * tokens + position, 0);
      actual.insert(actual.end(), row, row + width);
    }
  }
  report.compare(name, expected.values, actual);
}

int scale_of_stage(std::string_view stage) {
  const std::size_t mark = stage.rfind(".s");
  int scale = -1;
  if (mark != std::string_view::npos) std::from_chars(stage.data() + mark + 2, stage.data() + stage.size(), scale);
  return scale;
}

}  // namespace scalekv::golden
