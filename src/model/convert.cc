#include "model/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/sha256.h"
#include "base/strict_json.h"
#include "formats/safetensors_writer.h"
#include "formats/tensor_source.h"
#include "kernels/int8_weight.h"
#include "model/parts.h"

namespace scalekv::model {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 22U;        // elements converted at a time
constexpr std::int64_t kPageBytes = std::int64_t{256} << 20U;  // read between two returns of memory to the system
constexpr std::size_t kAlignment = 64;

// A new file needs all parts.
void require_parts(const Bundle& bundle) {
  const auto require = [&](const std::optional<formats::WeightMap>& part, const char* what, const char* setting) {
    if (!part) fail("{} has no {}; name one with `{}`", bundle.description, what, setting);
  };
  require(bundle.transformer, "transformer", "transformer");
  require(bundle.vae, "VAE", "vae");
  require(bundle.text_encoder, "text encoder", "text_encoder");
}

bool starts_with_one_of(std::string_view name, const std::vector<std::string>& starts) {
  return std::any_of(starts.begin(), starts.end(), [&](const std::string& start) { return name.starts_with(start); });
}

// Matrices, kernels and tables are rounded; biases, norms and small parameters keep their precision.
DType target_type(const NetworkTable& table, const TableEntry& entry, WeightType weights) {
  const Role role = entry.spec.role;
  const bool large =
      role == Role::matrix || role == Role::convolution || role == Role::table || role == Role::embedding;
  if (!large || weights == WeightType::f32) return DType::f32;
  if (weights == WeightType::bf16 || table.narrowest != WeightType::int8) return DType::bf16;
  return entry.in_block && role == Role::matrix ? DType::i8 : DType::f32;
}

// Lists the tensors of a new file.
class TensorLister {
 public:
  TensorLister(const std::string& description, WeightType weights) : description_(description), weights_(weights) {}

  void add_part(const Part& part) {
    std::set<std::string_view> known;
    const auto& infos = part.weights->infos();
    part.table.visit([&](const TableEntry& entry) {
      const auto found = infos.find(entry.name);
      if (found == infos.end() || found->second->shape != entry.spec.shape) return;
      known.insert(found->first);
      if (!starts_with_one_of(entry.name, part.table.leftovers)) add_known(part, entry, *found->second);
    });
    // What is not the network's goes along, for whoever loads the file to name it.
    for (const auto& [name, info] : infos) {
      const bool own = part.table.starts.empty() || starts_with_one_of(name, part.table.starts);
      if (known.contains(name) || !own || starts_with_one_of(name, part.table.leftovers)) continue;
      if (formats::is_floating(info->dtype)) add(part, name, *info, DType::f32, info->shape);
    }
  }

  std::vector<ConvertedTensor> list() && { return std::move(tensors_); }

 private:
  void add_known(const Part& part, const TableEntry& entry, const formats::TensorInfo& info) {
    if (info.dtype == DType::i8) {
      fail("{} holds int8 weights already; convert the files that it was made from", description_);
    }
    if (!formats::is_floating(info.dtype)) return;
    const DType dtype = target_type(part.table, entry, weights_);
    if (dtype != DType::i8) return add(part, entry.name, info, dtype, info.shape);
    const std::int64_t rotation = entry.spec.outliers ? kernels::longest_rotation(info.shape[1]) : 1;
    add(part, entry.name, info, dtype, info.shape, Derivation::codes, rotation);
    add(part, entry.name + "_scale", info, DType::f32, {info.shape[0]}, Derivation::scales, rotation);
    if (rotation > 1) add(part, entry.name + "_rotation", info, DType::i32, {1}, Derivation::rotation, rotation);
  }

  void add(const Part& part, const std::string& name, const formats::TensorInfo& info, DType dtype, const Shape& shape,
           Derivation derivation = Derivation::elements, std::int64_t rotation = 1) {
    formats::TensorInfo target{.name = std::string(part.prefix) + name, .dtype = dtype, .shape = shape};
    target.bytes = formats::checked_bytes(dtype, shape, description_);
    tensors_.push_back({std::move(target), &info, part.weights, derivation, rotation});
  }

  const std::string& description_;
  WeightType weights_;
  std::vector<ConvertedTensor> tensors_;
};

// {"vae": {"infinity_vae_d32reg.pth": "<SHA-256>"}, ...} of the files that the tensors come from.
class SourceHashes {
 public:
  void add(std::string_view part, const std::filesystem::path& path, const WorkProgress& progress) {
    std::string& digest = digests_[path];
    if (digest.empty()) {
      digest = hash_file(path, [&](double, std::string_view what) { progress(0.0, what); });
    }
    json_[std::string(part)][path.filename().string()] = digest;
  }
  void add_bytes(std::string_view part, const std::string& name, std::string_view bytes) {
    json_[std::string(part)][name] = sha256_of(std::as_bytes(std::span(bytes)));
  }
  std::string dump() const { return json_.dump(); }

 private:
  std::map<std::filesystem::path, std::string> digests_;
  nlohmann::json json_ = nlohmann::json::object();
};

// Converts tensors piece by piece and hands the bytes to the writer.
class Copier {
 public:
  Copier(formats::SafetensorsWriter& writer, std::int64_t total, const WorkProgress& progress)
      : writer_(writer), total_(static_cast<double>(std::max<std::int64_t>(total, 1))), progress_(progress) {}

  void copy(const ConvertedTensor& converted) {
    switch (converted.derivation) {
      case Derivation::elements:
        copy_elements(converted);
        break;
      case Derivation::codes:
      case Derivation::scales:
        round_rows(converted);
        break;
      case Derivation::rotation: {
        const auto length = static_cast<std::int32_t>(converted.rotation);
        write(std::as_bytes(std::span(&length, 1)));
        break;
      }
    }
  }

 private:
  void copy_elements(const ConvertedTensor& converted) {
    const Tensor tensor = converted.part->load(*converted.source);
    const auto source_size = static_cast<std::int64_t>(dtype_size(tensor.dtype()));
    for (std::int64_t at = 0; at < tensor.elements(); at += kPiece) {
      const std::int64_t count = std::min(kPiece, tensor.elements() - at);
      const Tensor floats = tensor.convert_to_float(MemoryKind::other, at, {count});
      formats::check_finite(floats.view<float>(), at, *converted.source);
      append(floats.view<float>(), converted.target.dtype);
      has_read(converted, count * source_size);
    }
  }

  // A matrix in int8: its codes, or their scales. Each is written on its own, for which the matrix is rounded twice.
  void round_rows(const ConvertedTensor& converted) {
    const Tensor tensor = converted.part->load(*converted.source);
    const std::int64_t outputs = tensor.shape()[0], inputs = tensor.shape()[1];
    const std::int64_t row_bytes = inputs * static_cast<std::int64_t>(dtype_size(tensor.dtype()));
    const std::int64_t step = std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(inputs, 1));
    for (std::int64_t row = 0; row < outputs; row += step) {
      const std::int64_t count = std::min(step, outputs - row);
      const Tensor floats = tensor.convert_to_float(MemoryKind::other, row * inputs, {count, inputs});
      formats::check_finite(floats.view<float>(), row * inputs, *converted.source);
      const kernels::Int8Weight rounded = kernels::quantise_weight(floats, converted.rotation, MemoryKind::other);
      const Tensor& part = converted.derivation == Derivation::codes ? rounded.codes : rounded.scales;
      write({static_cast<const std::byte*>(part.raw()), static_cast<std::size_t>(part.bytes())});
      has_read(converted, count * row_bytes);
    }
  }

  void has_read(const ConvertedTensor& converted, std::int64_t bytes) {
    progress_(static_cast<double>(written_) / total_, converted.target.name);
    since_drop_ += bytes;
    if (since_drop_ < kPageBytes) return;
    converted.part->drop_pages();
    since_drop_ = 0;
  }

  void append(View<const float> values, DType dtype) {
    if (dtype == DType::f32) {
      write(std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.elements()))));
      return;
    }
    Tensor halves(DType::bf16, values.shape(), MemoryKind::other);
    std::transform(values.data(), values.data() + values.elements(), halves.view<BFloat16>().data(), to_bfloat16);
    write({static_cast<const std::byte*>(halves.raw()), static_cast<std::size_t>(halves.bytes())});
  }

  void write(std::span<const std::byte> bytes) {
    writer_.append(bytes);
    written_ += static_cast<std::int64_t>(bytes.size());
  }

  formats::SafetensorsWriter& writer_;
  double total_;
  const WorkProgress& progress_;
  std::int64_t written_ = 0;
  std::int64_t since_drop_ = 0;
};

void check_space(const std::filesystem::path& path, std::int64_t bytes) {
  std::error_code error;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (!error && space.available < static_cast<std::uintmax_t>(bytes)) {
    fail("{} would take {} MiB, but its disk has only {} MiB free", path.string(), bytes >> 20, space.available >> 20U);
  }
}

}  // namespace

std::vector<ConvertedTensor> list_converted_tensors(const Bundle& bundle, const ConversionOptions& options) {
  require_parts(bundle);
  TensorLister lister(bundle.description, options.weights);
  for (Part& part : parts_of(bundle)) {
    if (!options.encoder && part.weights == &*bundle.vae) part.table.leftovers.emplace_back("encoder.");
    lister.add_part(part);
  }
  std::vector<ConvertedTensor> tensors = std::move(lister).list();
  if (bundle.tokenizer.empty())
    fail("{} has no tokenizer; name a folder that holds spiece.model with `text_encoder`", bundle.description);
  const auto size = static_cast<std::int64_t>(bundle.tokenizer.size());
  tensors.push_back(
      {.target = {.name = std::string(kTokenizerTensor), .dtype = DType::u8, .shape = {size}, .bytes = size}});
  // Tensors of an odd length come last, so that they do not push the others off their alignment.
  const auto rank = [](const ConvertedTensor& tensor) {
    return std::pair(tensor.target.bytes % static_cast<std::int64_t>(kAlignment) != 0,
                     std::string_view(tensor.target.name));
  };
  std::sort(tensors.begin(), tensors.end(), [&](const auto& a, const auto& b) {
    return (a.source == nullptr) != (b.source == nullptr) ? b.source == nullptr : rank(a) < rank(b);
  });
  return tensors;
}

std::int64_t converted_bytes(const std::vector<ConvertedTensor>& tensors) {
  std::int64_t bytes = 0;
  for (const ConvertedTensor& tensor : tensors) bytes += tensor.target.bytes;
  return bytes;
}

void convert_model(const Bundle& bundle, const std::filesystem::path& path, const ConversionOptions& options,
                   const WorkProgress& progress) {
  const std::vector<ConvertedTensor> tensors = list_converted_tensors(bundle, options);
  const std::int64_t bytes = converted_bytes(tensors);
  check_space(path, bytes);
  SourceHashes hashes;
  std::vector<formats::TensorInfo> targets;
  for (const ConvertedTensor& tensor : tensors) {
    targets.push_back(tensor.target);
    if (tensor.source == nullptr) continue;
    hashes.add(tensor.target.name.substr(0, tensor.target.name.find('.')), tensor.source->file, progress);
  }
  hashes.add_bytes("tokenizer", "spiece.model", bundle.tokenizer);
  std::map<std::string, std::string> metadata = {{"format", "scalekv.model"},
                                                 {"format_version", "1"},
                                                 {"config", options.config_json},
                                                 {"sources", hashes.dump()}};
  if (!options.calibration_json.empty()) metadata["calibration"] = options.calibration_json;
  formats::SafetensorsWriter writer(path, targets, metadata);
  Copier copier(writer, bytes, progress);
  for (const ConvertedTensor& tensor : tensors) {
    if (tensor.source != nullptr) copier.copy(tensor);
  }
  writer.append(std::as_bytes(std::span(bundle.tokenizer)));
  writer.finish();
}

}  // namespace scalekv::model
