// A small random transformer and requests for it.
#pragma once

#include <cstring>
#include <string>

#include "backend/cpu.h"
#include "engine/draw.h"
#include "support/random_source.h"

namespace scalekv::testing {

inline backend::CpuBackend transformer_of(const model::InfinityConfig& config, formats::WeightMap weights) {
  backend::CpuBackend loaded;
  loaded.load(config, weights, WeightType::f32);
  return loaded;
}

inline const backend::Backend& small_transformer() {
  static const backend::CpuBackend loaded = transformer_of(small_config(), random_transformer(small_config()));
  return loaded;
}

// A request with the pictures that it is for.
struct SmallRequest : infinity::GenerationRequest {
  std::vector<Tensor> texts, negative;
  std::vector<engine::ImageSeed> seeds;
  const engine::BitMaps* forced = nullptr;

  engine::Batch batch() const { return {views(texts), views(negative), seeds, forced}; }

  static std::vector<View<const float>> views(const std::vector<Tensor>& features) {
    std::vector<View<const float>> all;
    for (const Tensor& text : features) all.push_back(text.empty() ? View<const float>() : text.view<float>());
    return all;
  }
};

inline engine::Drawn draw(const backend::Backend& backend, const SmallRequest& request,
                          const engine::Observers& observers = {}) {
  return engine::draw(backend, request, request.batch(), observers);
}

inline Tensor text(std::int64_t length, std::uint32_t number) {
  Tensor features(DType::f32, {length, 128}, MemoryKind::other);
  for (std::int64_t i = 0; i < features.elements(); ++i) {
    features.view<float>().data()[i] = normal(21, {static_cast<std::uint32_t>(i), number, 0, 0});
  }
  return features;
}

// `images` texts of different lengths with the full cache; image i is the same whatever their number.
inline SmallRequest full_request(int first, int images, const char* size = "0.06M", double aspect = 1.0) {
  SmallRequest made;
  made.schedule = infinity::make_schedule(aspect, size);
  for (int i = first; i < first + images; ++i) {
    made.texts.push_back(text(3 + 2 * i, static_cast<std::uint32_t>(i)));
    made.seeds.push_back({77, static_cast<std::uint32_t>(i)});
  }
  made.cfg.assign(made.schedule.scales.size(), 3.0F);
  made.tau.assign(made.schedule.scales.size(), 0.8F);
  made.policy = {"full", cache::Budget(), nullptr};
  return made;
}

// What attention looks like in the small transformer, measured on one picture of 7 scales.
inline std::shared_ptr<const cache::Calibration> small_calibration() {
  static const std::shared_ptr<const cache::Calibration> calibration = [] {
    const SmallRequest made = full_request(0, 1);
    auto measured = std::make_shared<cache::Calibration>(cache::Calibration{
        "small", 1, cache::AttentionStatistics(infinity::cache_geometry(small_config(), made.schedule))});
    engine::Observers observers;
    observers.session.attention = [&](int scale, int layer, std::span<const kernels::AttentionHead> work) {
      measured->statistics.add(scale, layer, work);
    };
    draw(small_transformer(), made, observers);
    return measured;
  }();
  return calibration;
}

// The same under a cache policy, calibrated where it needs to be.
inline SmallRequest request(int first, int images, const std::string& policy, double share, const char* size = "0.06M",
                            double aspect = 1.0) {
  SmallRequest made = full_request(first, images, size, aspect);
  const bool calibrated = cache::needs_calibration(policy);
  made.policy = cache::make_policy({policy, share, {}, calibrated ? small_calibration() : nullptr},
                                   infinity::cache_geometry(small_config(), made.schedule));
  return made;
}

inline bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.bytes())) == 0;
}

}  // namespace scalekv::testing
