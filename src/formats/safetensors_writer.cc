#include "formats/safetensors_writer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/strict_json.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {
namespace {

// Data begin at a multiple of this, so that a mapped tensor is as well aligned as the tensors before it allow.
constexpr std::size_t kDataAlignment = 64;

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, const std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(std::move(path)), temporary_(path_) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (const TensorInfo& tensor : tensors) {
    const std::string where = fmt::format("{}: tensor {}", path_.string(), in_quotes(tensor.name));
    if (!is_sane_name(tensor.name) || tensor.name == "__metadata__") fail("{} has an unusable name", where);
    if (header.contains(tensor.name)) fail("{} is to be written twice", where);
    const std::int64_t end = remaining_ + checked_bytes(tensor.dtype, tensor.shape, where);
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape.sizes()}, {"data_offsets", {remaining_, end}}};
    remaining_ = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail("{}: its metadata is not UTF-8 text", path_.string());
  }
  text.resize((text.size() + 8 + kDataAlignment - 1) / kDataAlignment * kDataAlignment - 8, ' ');

  temporary_ += fmt::format(".part-{}", ::getpid());
  stream_.open(temporary_, std::ios::binary | std::ios::trunc);
  const std::uint64_t length = text.size();
  stream_.write(reinterpret_cast<const char*>(&length), sizeof length);
  stream_.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream_) fail("{} cannot be written: {}", path_.string(), std::strerror(errno));
}

SafetensorsWriter::~SafetensorsWriter() {
  if (finished_) return;
  stream_.close();
  std::error_code ignored;  // nothing more can be done about a file that refuses to go
  std::filesystem::remove(temporary_, ignored);
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  SCALEKV_ASSERT(static_cast<std::int64_t>(bytes.size()) <= remaining_);
  stream_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream_) fail("{} cannot be written: {}", path_.string(), std::strerror(errno));
  remaining_ -= static_cast<std::int64_t>(bytes.size());
}

void SafetensorsWriter::finish() {
  SCALEKV_ASSERT(remaining_ == 0 && !finished_);
  stream_.close();
  std::error_code error;
  if (!stream_.fail()) std::filesystem::rename(temporary_, path_, error);
  if (stream_.fail() || error) {
    fail("{} cannot be written: {}", path_.string(), error ? error.message() : std::strerror(errno));
  }
  finished_ = true;
}

}  // namespace scalekv::formats
