// A network of random weights in memory, of any sizes.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "formats/weight_map.h"
#include "runtime/philox.h"
#include "support/memory_source.h"
#include "support/small_model.h"

namespace scalekv::testing {

class RandomSource final : public MemorySource {
 public:
  RandomSource() : MemorySource("random weights") {}

  void add(const std::string& name, const Shape& shape, float deviation, float mean = 0.0F) {
    Tensor tensor(DType::f32, shape, MemoryKind::other);
    const View<float> values = tensor.view<float>().reshape({tensor.elements()});
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      values(i) = mean + deviation * normal(9, {static_cast<std::uint32_t>(i),
                                                static_cast<std::uint32_t>(tensors().size()), 0, 0});
    }
    put(name, std::move(tensor));
  }
};

inline std::shared_ptr<RandomSource> random_source(const model::NetworkTable& table) {
  auto source = std::make_shared<RandomSource>();
  table.visit([&](const model::TableEntry& entry) {
    source->add(entry.name, entry.spec.shape, entry.spec.deviation, entry.spec.mean);
  });
  return source;
}

inline std::shared_ptr<RandomSource> random_transformer_source(const model::InfinityConfig& config) {
  return random_source(model::infinity_table(config));
}

inline formats::WeightMap random_transformer(const model::InfinityConfig& config) {
  return formats::WeightMap(random_transformer_source(config), "", "transformer");
}

}  // namespace scalekv::testing
