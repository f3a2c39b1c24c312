// Tensors in memory in the place of a file of weights.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "formats/tensor_source.h"

namespace scalekv::testing {

class MemorySource : public formats::TensorSource {
 public:
  explicit MemorySource(std::filesystem::path path) : path_(std::move(path)) {}

  void put(const std::string& name, Tensor tensor) {
    const auto place = std::ranges::lower_bound(infos_, name, {}, &formats::TensorInfo::name);  // sorted, as promised
    infos_.insert(place, {name, tensor.dtype(), tensor.shape(), tensor.bytes(), path_});
    tensors_.emplace(name, std::move(tensor));
  }

  // Puts `value` in place of an element of a tensor.
  void spoil(const std::string& name, float value, std::int64_t element = 0) {
    tensors_.at(name).view<float>().data()[element] = value;
  }

  void multiply(const std::string& name, float factor) {
    Tensor& tensor = tensors_.at(name);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) tensor.view<float>().data()[i] *= factor;
  }

  const std::vector<formats::TensorInfo>& tensors() const override { return infos_; }
  Tensor load(const formats::TensorInfo& info) const override {
    return tensors_.at(info.name).clone(MemoryKind::other);
  }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::filesystem::path& path() const override { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<formats::TensorInfo> infos_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace scalekv::testing
