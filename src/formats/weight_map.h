// The tensors of one component (transformer, VAE, text encoder) under their published names, handed out with their
// shapes checked, so that a wrong checkpoint fails at load, by name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_source.h"

namespace scalekv::formats {

class WeightMap {
 public:
  // The tensors of `source` whose names start with `prefix`, which is cut off. `component` is for messages: "VAE".
  // Where files hold other forms of the names, `rename` turns a whole name into the published one, before the prefix is
  // looked for. Throws Error where two tensors get the same name.
  WeightMap(
      std::shared_ptr<const TensorSource> source, std::string prefix, std::string component,
      const std::function<std::string(std::string_view)>& rename = [](auto name) { return std::string(name); });

  // Whether there is something of that name; a tensor that cannot be read fails when its shape is asked for.
  bool has(std::string_view name) const;
  // Shape of a tensor. Throws Error where it is missing.
  const Shape& shape(std::string_view name) const;
  // Names (without prefix) that start with `start`, of tensors that cannot be read, too.
  std::vector<std::string> names(std::string_view start = "") const;
  bool empty() const { return infos_.empty(); }

  // The tensor, which is then marked as used. Throws Error where it is missing (naming what was sought), has another
  // shape (naming both), or is not of a floating type.
  Tensor take(std::string_view name, const Shape& expected);
  // The same of one type, floating or not.
  Tensor take_typed(std::string_view name, const Shape& expected, DType dtype);
  // The same as take(), converted to float32 if it is not. Throws Error where an element is NaN or infinite.
  Tensor take_float(std::string_view name, const Shape& expected, MemoryKind kind);
  // Marks names that a checkpoint may hold though nothing reads them.
  void ignore(std::string_view start);
  // Throws Error naming the first few tensors that nobody took: a sign of another architecture.
  void expect_all_used() const;

  // Every tensor by its published name (without prefix), used or not; for tools that list or convert a model.
  const std::map<std::string, const TensorInfo*, std::less<>>& infos() const { return infos_; }
  // The elements as they are in the file, whatever type they are of.
  Tensor load(const TensorInfo& info) const { return source_->load(info); }
  void drop_pages() const { source_->drop_pages(); }

  // "VAE in model.safetensors"
  std::string description() const;

 private:
  void add(const std::string& name, const TensorInfo& info);
  const TensorInfo& require(std::string_view name) const;
  const TensorInfo& require_shape(std::string_view name, const Shape& expected) const;

  std::shared_ptr<const TensorSource> source_;
  std::string prefix_;
  std::string component_;
  std::map<std::string, const TensorInfo*, std::less<>> infos_;
  std::map<std::string, const PassedOver*, std::less<>> unreadable_;  // no tensors, or of a kind that is not read
  std::set<std::string, std::less<>> used_;
};

}  // namespace scalekv::formats
