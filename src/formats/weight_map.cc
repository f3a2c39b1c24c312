#include "formats/weight_map.h"

#include <fmt/ranges.h>

#include "base/strict_json.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

WeightMap::WeightMap(std::shared_ptr<const TensorSource> source, std::string prefix, std::string component,
                     const std::function<std::string(std::string_view)>& rename)
    : source_(std::move(source)), prefix_(std::move(prefix)), component_(std::move(component)) {
  for (const TensorInfo& info : source_->tensors()) {
    const std::string name = rename(info.name);
    if (name.starts_with(prefix_)) add(name.substr(prefix_.size()), info);
  }
  for (const PassedOver& thing : source_->passed_over()) {
    const std::string name = rename(thing.name);
    if (name.starts_with(prefix_)) unreadable_.emplace(name.substr(prefix_.size()), &thing);
  }
}

void WeightMap::add(const std::string& name, const TensorInfo& info) {
  const auto [entry, inserted] = infos_.emplace(name, &info);
  if (!inserted) {
    fail("{}: tensors {} and {} are two forms of the same name; keep one of them", description(),
         in_quotes(entry->second->name), in_quotes(info.name));
  }
}

const TensorInfo& WeightMap::require(std::string_view name) const {
  const auto found = infos_.find(name);
  if (found != infos_.end()) return *found->second;
  const auto unreadable = unreadable_.find(name);
  if (unreadable != unreadable_.end()) {
    const PassedOver& thing = *unreadable->second;
    fail("{}: {} is {}, which is not read as a weight; {}", description(), in_quotes(thing.name), thing.what,
         advice_for(thing));
  }
  fail("{} has no tensor \"{}{}\"; it is cut short, or belongs to another architecture", description(), prefix_, name);
}

bool WeightMap::has(std::string_view name) const { return infos_.contains(name) || unreadable_.contains(name); }

const Shape& WeightMap::shape(std::string_view name) const { return require(name).shape; }

std::vector<std::string> WeightMap::names(std::string_view start) const {
  std::vector<std::string> found;
  const auto collect = [&](const auto& map) {
    for (auto entry = map.lower_bound(start); entry != map.end() && entry->first.starts_with(start); ++entry) {
      found.push_back(entry->first);
    }
  };
  collect(infos_);
  collect(unreadable_);
  return found;
}

const TensorInfo& WeightMap::require_shape(std::string_view name, const Shape& expected) const {
  const TensorInfo& info = require(name);
  if (info.shape != expected) {
    fail("{}: tensor {} has shape {}, expected {}; it belongs to another architecture", description(),
         in_quotes(info.name), info.shape.to_string(), expected.to_string());
  }
  return info;
}

Tensor WeightMap::take(std::string_view name, const Shape& expected) {
  const TensorInfo& info = require_shape(name, expected);
  if (!is_floating(info.dtype)) {
    fail("{}: tensor {} is of type {}, expected F32, F16, BF16 or F64", description(), in_quotes(info.name),
         dtype_name(info.dtype));
  }
  used_.emplace(name);
  return source_->load(info);
}

Tensor WeightMap::take_typed(std::string_view name, const Shape& expected, DType dtype) {
  const TensorInfo& info = require_shape(name, expected);
  if (info.dtype != dtype) {
    fail("{}: tensor {} is of type {}, expected {}", description(), in_quotes(info.name), dtype_name(info.dtype),
         dtype_name(dtype));
  }
  used_.emplace(name);
  return source_->load(info);
}

Tensor WeightMap::take_float(std::string_view name, const Shape& expected, MemoryKind kind) {
  Tensor tensor = take(name, expected);
  if (tensor.dtype() != DType::f32) tensor = tensor.convert_to_float(kind);
  check_finite(std::as_const(tensor).view<float>(), 0, require(name));
  return tensor;
}

void WeightMap::ignore(std::string_view start) {
  for (std::string& name : names(start)) used_.insert(std::move(name));
}

void WeightMap::expect_all_used() const {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> shown;
  std::size_t unused = 0;
  for (const auto& [name, info] : infos_) {
    if (used_.contains(name)) continue;
    if (++unused <= kShown) shown.push_back(in_quotes(info->name));
  }
  if (unused == 0) return;
  fail("{} holds {} tensors that this architecture does not have: {}{}; it belongs to another architecture",
       description(), unused, fmt::join(shown, ", "), unused > kShown ? ", ..." : "");
}

std::string WeightMap::description() const { return fmt::format("{} in {}", component_, source_->path().string()); }

}  // namespace scalekv::formats
