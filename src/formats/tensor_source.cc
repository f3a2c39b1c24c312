#include "formats/tensor_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/strict_json.h"
#include "formats/foreign_file.h"
#include "formats/pytorch_file.h"
#include "formats/safetensors.h"
#include "formats/sharded_folder.h"
#include "formats/zip_archive.h"

namespace scalekv::formats {

const TensorInfo* TensorSource::find(std::string_view name) const { return find_named(tensors(), name); }

const std::map<std::string, std::string>& TensorSource::metadata() const {
  static const std::map<std::string, std::string> none;
  return none;
}

const std::vector<PassedOver>& TensorSource::passed_over() const {
  static const std::vector<PassedOver> none;
  return none;
}

std::shared_ptr<const TensorSource> open_tensor_file(const std::filesystem::path& path) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  if (looks_like_zip(*file) || looks_like_legacy_pytorch(*file)) return open_pytorch(std::move(file));
  if (looks_like_safetensors(*file)) return open_safetensors(std::move(file));
  refuse_foreign(*file);
}

std::shared_ptr<const TensorSource> open_tensor_source(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_model_folder(path);
  return path.extension() == ".json" ? open_index(path) : open_tensor_file(path);
}

std::int64_t checked_bytes(DType dtype, const Shape& shape, const std::string& where) {
  std::int64_t bytes = 1;
  bool overflow = __builtin_mul_overflow(bytes, static_cast<std::int64_t>(dtype_size(dtype)), &bytes);
  for (const std::int64_t size : shape.sizes()) overflow = overflow || __builtin_mul_overflow(bytes, size, &bytes);
  if (overflow) fail("{}: the shape {} holds more elements than can be counted", where, shape.to_string());
  return bytes;
}

Tensor borrow_or_copy(DType dtype, const Shape& shape, const std::byte* data, std::shared_ptr<const MappedFile> file) {
  if (reinterpret_cast<std::uintptr_t>(data) % dtype_size(dtype) == 0) {
    return Tensor(dtype, shape, data, std::move(file));
  }
  Tensor copy(dtype, shape, MemoryKind::weights);
  std::memcpy(copy.mutable_raw(), data, static_cast<std::size_t>(copy.bytes()));
  return copy;
}

void sort_by_name(std::vector<TensorInfo>& tensors) {
  std::ranges::sort(tensors, {}, &TensorInfo::name);
  const auto twice = std::ranges::adjacent_find(tensors, {}, &TensorInfo::name);
  if (twice != tensors.end()) fail("{}: tensor {} occurs twice", twice->file.string(), in_quotes(twice->name));
}

bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64;
}

void check_finite(View<const float> values, std::int64_t first, const TensorInfo& info) {
  const float* begin = values.data();
  const float* end = begin + values.elements();
  const float* found = std::find_if(begin, end, [](float value) { return !std::isfinite(value); });
  if (found == end) return;
  fail("{}: tensor {} holds {} at element {}; the file is damaged, or its training failed: download it again",
       info.file.string(), in_quotes(info.name), *found, first + (found - begin));
}

void check_finite(const TensorSource& source, const WorkProgress& progress) {
  constexpr std::int64_t kPiece = std::int64_t{1} << 22U;  // elements at a time
  double total = 1.0, done = 0.0;                          // bytes
  for (const TensorInfo& info : source.tensors()) total += static_cast<double>(info.bytes);
  for (const TensorInfo& info : source.tensors()) {
    progress(done / total, info.name);
    done += static_cast<double>(info.bytes);
    if (!is_floating(info.dtype)) continue;
    const Tensor tensor = source.load(info);
    for (std::int64_t at = 0; at < tensor.elements(); at += kPiece) {
      const Shape shape = {std::min(kPiece, tensor.elements() - at)};
      const Tensor floats = tensor.convert_to_float(MemoryKind::other, at, shape);
      check_finite(floats.view<float>(), at, info);
    }
    source.drop_pages();
  }
}

void refuse_without_tensors(const std::string& where, const std::vector<PassedOver>& others) {
  const PassedOver& first = others.front();
  fail("{} holds no tensors that can be read, but {}{}{}; {}", where, first.what,
       first.name.empty() ? "" : " named " + in_quotes(first.name),
       others.size() == 1 ? "" : fmt::format(" and {} more", others.size() - 1), advice_for(first));
}

std::string_view advice_for(const PassedOver& thing) {
  return thing.advice.empty() ? "load it in PyTorch and save its state_dict() as plain tensors" : thing.advice;
}

}  // namespace scalekv::formats
