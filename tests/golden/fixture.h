// A fixture: tensors dumped from the reference (.safetensors) and the settings that made them (.json beside it).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/map_size.h"
#include "formats/tensor_source.h"

namespace scalekv::golden {

// A fixture's tensor as floats, whatever its type there.
struct Numbers {
  Shape shape;
  std::vector<float> values;
};

struct Integers {
  Shape shape;
  std::vector<std::int64_t> values;
};

class Fixture {
 public:
  // `argument`: the .safetensors file, the .json file, or what they have in common; one of them may be missing.
  // Throws Error where there is neither, or one is damaged.
  explicit Fixture(const std::filesystem::path& argument);

  // The path without its ending.
  static std::filesystem::path stem(const std::filesystem::path& argument);

  const std::filesystem::path& path() const { return path_; }
  // An empty object where there is no .json file.
  const nlohmann::json& json() const { return json_; }
  // json()["config"], or json() itself where there is none.
  const nlohmann::json& config() const { return json_.contains("config") ? json_["config"] : json_; }
  // nullptr where there is no .safetensors file.
  const std::shared_ptr<const formats::TensorSource>& source() const { return source_; }

  bool has(const std::string& name) const;
  // Throws Error where it is missing; so do the others.
  const Shape& shape(const std::string& name) const;
  Numbers numbers(const std::string& name) const;
  Integers integers(const std::string& name) const;
  // Names that start with `prefix`, sorted.
  std::vector<std::string> names(const std::string& prefix = "") const;

 private:
  const formats::TensorInfo& info(const std::string& name) const;

  std::filesystem::path path_;
  nlohmann::json json_ = nlohmann::json::object();
  std::shared_ptr<const formats::TensorSource> source_;
};

// [[1, h, w], ...] or [[h, w], ...] -> sizes.
std::vector<MapSize> read_schedule(const nlohmann::json& list);
std::vector<MapSize> read_schedule(const Integers& list);

}  // namespace scalekv::golden
