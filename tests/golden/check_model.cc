#include <algorithm>

#include "base/error.h"
#include "golden/checks.h"
#include "golden/maps.h"
#include "golden/model_case.h"
#include "golden/scalekv_runs.h"
#include "infinity/rope.h"
#include "support/masked_logits.h"
#include "vae/coder.h"

namespace scalekv::golden {
namespace {

void check_request_schedule(const Fixture& fixture, const ModelCase& model, Report& report) {
  const nlohmann::json& config = fixture.config();
  if (!config.contains("pn") || !config.contains("h_div_w")) return;
  const infinity::Schedule schedule =
      infinity::make_schedule(config["h_div_w"].get<double>(), config["pn"].get<std::string>());
  report.verdict(
      "in.scale_schedule", schedule.scales == model.request.schedule.scales,
      fmt::format("the schedule of {} at h/w {}", config["pn"].get<std::string>(), config["h_div_w"].dump()));
  if (fixture.json().contains("tmpl")) {
    report.verdict("tmpl", schedule.aspect == fixture.json()["tmpl"].get<double>(),
                   fmt::format("nearest ratio {}", schedule.aspect));
  }
}

// The scales that the reference made its table for: the whole 1M schedule, of which smaller presets are the beginning.
std::vector<MapSize> table_scales(const infinity::Schedule& schedule) {
  const std::vector<MapSize> whole = infinity::make_schedule(schedule.aspect, "1M").scales;
  const bool prefix = schedule.scales.size() <= whole.size() &&
                      std::equal(schedule.scales.begin(), schedule.scales.end(), whole.begin());
  return prefix ? whole : schedule.scales;
}

// Cosines and sines of all scales one after another, zeros behind.
void check_rotary_table(const Fixture& fixture, const ModelCase& model, Report& report) {
  if (!fixture.has("rope.cache")) return;
  const std::int64_t size = model.backend.config().head_size();
  std::vector<float> cosines;
  std::vector<float> sines;
  for (const MapSize& map : table_scales(model.request.schedule)) {
    const infinity::RotaryTable table = infinity::make_rotary_table(map, model.request.schedule.reference, size);
    const View<const float> cosine = table.cosine.view<float>();
    const View<const float> sine = table.sine.view<float>();
    cosines.insert(cosines.end(), cosine.data(), cosine.data() + cosine.elements());
    sines.insert(sines.end(), sine.data(), sine.data() + sine.elements());
  }
  const Numbers expected = fixture.numbers("rope.cache");
  std::vector<std::int64_t> positions;
  if (fixture.has("rope.pos")) {
    positions = fixture.integers("rope.pos").values;
  } else {
    for (std::int64_t i = 0; i < expected.shape[1]; ++i) positions.push_back(i);
  }
  std::vector<float> actual;
  for (const std::vector<float>* part : {&cosines, &sines}) {
    for (const std::int64_t position : positions) {
      for (std::int64_t i = 0; i < size / 2; ++i) {
        const auto index = static_cast<std::size_t>(position * (size / 2) + i);
        actual.push_back(index < part->size() ? (*part)[index] : 0.0F);
      }
    }
  }
  report.compare("rope.cache", expected.values, actual);
}

void check_text(const Fixture& fixture, const ModelCase& model, Report& report) {
  const infinity::Conditioning& conditioning = model.backend.transformer().conditioning();
  const engine::Batch batch = model.request.batch();
  const infinity::RaggedText texts = conditioning.join_texts(batch.texts, batch.negative, model.request.guided());
  if (fixture.has("txt.cu_seqlens_k")) {
    report.exact("txt.cu_seqlens_k", fixture.integers("txt.cu_seqlens_k").values, texts.offsets);
  }
  static_cast<void>(conditioning.run(texts, [&](std::string_view stage, View<const float> value) {
    const std::string name(stage);
    if (fixture.has(name)) {
      report.compare(name, fixture.numbers(name).values, {value.data(), static_cast<std::size_t>(value.elements())});
    }
  }));
}

// The logits of a scale after top-k and top-p.
void check_masked(const Fixture& fixture, Report& report, const ModelCase& model, int scale, View<const float> logits) {
  const std::string name = fmt::format("full.masked.s{}", scale);
  if (!fixture.has(name)) return;
  Tensor masked(DType::f32, {logits.elements() / 2, 2}, MemoryKind::other);
  std::copy_n(logits.data(), logits.elements(), masked.view<float>().data());
  infinity::mask_logits(masked.view<float>(), {.top_k = 900});  // and the default top_p, 0.97
  compare_rows(fixture, report, model, name, scale, masked.view<float>().reshape(logits.shape()));
}

void check_full_run(const Fixture& fixture, const ModelCase& model, Report& report) {
  engine::Observers observers;
  observers.session.tap = [&](std::string_view stage, View<const float> value) {
    const int scale = scale_of_stage(stage);
    if (scale >= 0) compare_rows(fixture, report, model, "full." + std::string(stage), scale, value);
  };
  observers.logits = [&](int scale, View<const float> logits) {
    compare_rows(fixture, report, model, fmt::format("full.logits.s{}", scale), scale, logits);
    check_masked(fixture, report, model, scale, logits);
  };
  const engine::Drawn drawn = testing::draw(model.backend, model.request, observers);
  MapCollector maps(fixture, report);
  for (std::int64_t image = 0; image < model.images(); ++image) {
    maps.add("full.summed_codes", image, drawn.latents[static_cast<std::size_t>(image)].view<float>());
  }
  maps.finish();
  if (fixture.names("vae.decoder.").empty()) return;

  formats::WeightMap weights(fixture.source(), "vae.", "VAE");
  const vae::Decoder decoder(model::infer_vae_config(weights), weights);
  std::vector<Tensor> pictures;
  for (std::int64_t image = 0; image < model.images(); ++image) {
    pictures.push_back(decoder.decode(drawn.latents[static_cast<std::size_t>(image)].view<float>()));
    maps.add("full.img_f32_sub", image, pictures.back().view<float>());
  }
  maps.finish();
  if (fixture.has("full.img_u8_bgr")) {
    report.pixels("full.img_u8_bgr", fixture.integers("full.img_u8_bgr").values,
                  to_pixels(pictures, fixture.shape("full.img_u8_bgr"), true));
  }
}

}  // namespace

void check_model(const Fixture& fixture, Report& report) {
  if (!fixture.has("gpt.word_embed.weight")) return;
  for (const char* prefix : {"gpt.", "vae.", "in.", "neg", "pos.", "rope.pos"}) report.input_prefix(fixture, prefix);
  ModelCase model(fixture);
  check_request_schedule(fixture, model, report);
  check_rotary_table(fixture, model, report);
  check_text(fixture, model, report);
  check_full_run(fixture, model, report);
  check_scalekv_runs(fixture, model, report);
  for (const std::string& name : fixture.names("full_cabf16.")) {
    report.skip(name, "literal bfloat16 casts around cross-attention; the engine computes in float32");
  }
}

}  // namespace scalekv::golden
