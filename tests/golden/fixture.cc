#include "golden/fixture.h"

#include "base/error.h"
#include "base/file.h"

namespace scalekv::golden {
namespace {

template <typename From, typename To>
void convert(const Tensor& tensor, std::vector<To>& values) {
  const View<const From> view = tensor.view<From>();
  values.assign(view.data(), view.data() + view.elements());
}

// Integers of any width; floats are cut off.
template <typename To>
std::vector<To> convert_integers(const Tensor& tensor, const std::string& name) {
  std::vector<To> values;
  switch (tensor.dtype()) {
    case DType::i8:
      convert<std::int8_t>(tensor, values);
      break;
    case DType::u8:
      convert<std::uint8_t>(tensor, values);
      break;
    case DType::boolean:
      convert<bool>(tensor, values);
      break;
    case DType::i16:
      convert<std::int16_t>(tensor, values);
      break;
    case DType::u16:
      convert<std::uint16_t>(tensor, values);
      break;
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64: {
      const auto count = static_cast<std::size_t>(tensor.elements());
      values.reserve(count);
      for (std::size_t i = 0; i < count; ++i) {
        std::int64_t value = 0;
        if (dtype_size(tensor.dtype()) == 8) {
          value = static_cast<const std::int64_t*>(tensor.raw())[i];
        } else if (tensor.dtype() == DType::i32) {
          value = static_cast<const std::int32_t*>(tensor.raw())[i];
        } else {
          value = static_cast<const std::uint32_t*>(tensor.raw())[i];
        }
        values.push_back(static_cast<To>(value));
      }
      break;
    }
    default:
      fail("{} holds {} where integers are expected", name, dtype_name(tensor.dtype()));
  }
  return values;
}

}  // namespace

std::filesystem::path Fixture::stem(const std::filesystem::path& argument) {
  const std::string ending = argument.extension().string();
  std::filesystem::path path = argument;
  if (ending == ".safetensors" || ending == ".json") path.replace_extension();
  return path;
}

Fixture::Fixture(const std::filesystem::path& argument) : path_(stem(argument)) {
  const std::filesystem::path settings = path_.string() + ".json";
  const std::filesystem::path tensors = path_.string() + ".safetensors";
  const bool has_settings = std::filesystem::exists(settings);
  const bool has_tensors = std::filesystem::exists(tensors);
  if (!has_settings && !has_tensors) fail("there is neither {} nor {}", tensors.string(), settings.string());
  if (has_settings) {
    json_ = nlohmann::json::parse(read_file(settings), nullptr, false);
    if (!json_.is_object()) fail("{} is not a JSON object", settings.string());
  }
  if (has_tensors) source_ = formats::open_tensor_source(tensors);
}

const formats::TensorInfo& Fixture::info(const std::string& name) const {
  const formats::TensorInfo* found = source_ == nullptr ? nullptr : source_->find(name);
  if (found == nullptr) fail("{} has no tensor {}", path_.string(), name);
  return *found;
}

bool Fixture::has(const std::string& name) const { return source_ != nullptr && source_->find(name) != nullptr; }

const Shape& Fixture::shape(const std::string& name) const { return info(name).shape; }

Numbers Fixture::numbers(const std::string& name) const {
  const formats::TensorInfo& found = info(name);
  const Tensor tensor = source_->load(found);
  const bool floating =
      found.dtype == DType::f32 || found.dtype == DType::f16 || found.dtype == DType::bf16 || found.dtype == DType::f64;
  if (!floating) return {found.shape, convert_integers<float>(tensor, name)};
  const Tensor floats = tensor.convert_to_float(MemoryKind::other);
  Numbers numbers{found.shape, {}};
  convert<float>(floats, numbers.values);
  return numbers;
}

Integers Fixture::integers(const std::string& name) const {
  const formats::TensorInfo& found = info(name);
  return {found.shape, convert_integers<std::int64_t>(source_->load(found), name)};
}

std::vector<std::string> Fixture::names(const std::string& prefix) const {
  std::vector<std::string> names;
  if (source_ == nullptr) return names;
  for (const formats::TensorInfo& tensor : source_->tensors()) {
    if (tensor.name.starts_with(prefix)) names.push_back(tensor.name);
  }
  return names;
}

std::vector<MapSize> read_schedule(const nlohmann::json& list) {
  std::vector<MapSize> scales;
  for (const nlohmann::json& entry : list) {
    const std::size_t last = entry.size() - 1;
    scales.push_back({entry.at(last - 1).get<std::int64_t>(), entry.at(last).get<std::int64_t>()});
  }
  return scales;
}

std::vector<MapSize> read_schedule(const Integers& list) {
  const auto columns = static_cast<std::size_t>(list.shape[1]);
  std::vector<MapSize> scales;
  for (std::size_t i = columns; i <= list.values.size(); i += columns) {
    scales.push_back({list.values[i - 2], list.values[i - 1]});
  }
  return scales;
}

}  // namespace scalekv::golden
