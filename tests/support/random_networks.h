// The networks of the metrics with random weights, under the published names and in their published shapes;
// tools/fixtures/metric_fixtures.py makes the same ones.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/philox_source.h"

namespace scalekv::testing {

// "alexnet" (without its classifier) or "inception"; `data`: tests/data.
inline std::shared_ptr<PhiloxSource> random_network(const std::filesystem::path& data, const char* network) {
  const nlohmann::json shapes = nlohmann::json::parse(read_file(data / "metrics/shapes.json"));
  auto source = std::make_shared<PhiloxSource>();
  for (const auto& [name, sizes] : shapes.at(network).items()) {
    const std::vector<std::int64_t> shape = sizes;
    if (!name.starts_with("classifier.")) source->add(name, Shape(shape));
  }
  return source;
}

// The heads of LPIPS.
inline void add_random_heads(PhiloxSource& source) {
  int index = 0;
  for (const std::int64_t channels : {64, 192, 384, 256, 256}) {
    source.add(fmt::format("lin{}.model.1.weight", index++), {1, channels, 1, 1});
  }
}

}  // namespace scalekv::testing
