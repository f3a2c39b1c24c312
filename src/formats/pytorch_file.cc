#include "formats/pytorch_file.h"

#include <algorithm>
#include <cstring>

#include "base/strict_json.h"
#include "formats/foreign_file.h"
#include "formats/pickle_machine.h"
#include "formats/tensor_source.h"
#include "formats/zip_archive.h"

namespace scalekv::formats {
namespace {

constexpr std::string_view kPickle = "data.pkl";

// Whether the elements lie row by row without gaps.
bool is_contiguous(const PickledTensor& tensor) {
  std::int64_t expected = 1;
  for (int d = tensor.shape.rank() - 1; d >= 0; --d) {
    if (tensor.shape[d] != 1 && tensor.strides[static_cast<std::size_t>(d)] != expected) return false;
    expected *= tensor.shape[d];
  }
  return true;
}

// Copies the elements of dimensions `dimension`... row by row from `source` to `target`, which moves on.
void gather(const PickledTensor& tensor, int dimension, const std::byte* source, std::byte*& target) {
  const std::size_t size = dtype_size(tensor.dtype);
  if (dimension == tensor.shape.rank()) {
    std::memcpy(target, source, size);
    target += size;
    return;
  }
  const std::int64_t step = tensor.strides[static_cast<std::size_t>(dimension)] * static_cast<std::int64_t>(size);
  for (std::int64_t i = 0; i < tensor.shape[dimension]; ++i) gather(tensor, dimension + 1, source + i * step, target);
}

// The parts of a zip archive.
class Archive {
 public:
  explicit Archive(const MappedFile& file) : path_(file.path().string()), entries_(read_zip(file)) {}

  PytorchParts parts() const {
    const ZipEntry& pickle = find_pickle();
    check_stored();
    const std::string_view folder = pickle.name.substr(0, pickle.name.size() - kPickle.size());  // "archive/"
    check_byte_order(folder);
    PytorchParts parts;
    parts.contents = read_pickled_tensors(pickle.bytes, fmt::format("{}: its {}", path_, kPickle));
    const std::string data = std::string(folder) + "data/";
    for (const ZipEntry& entry : entries_) {
      if (entry.name.starts_with(data)) parts.storages.emplace(entry.name.substr(data.size()), entry.bytes);
    }
    return parts;
  }

 private:
  const ZipEntry& find_pickle() const {
    const ZipEntry* pickle = nullptr;
    for (const ZipEntry& entry : entries_) {
      if (is_torch_script(entry.name)) {
        fail("{} is a TorchScript program, not a file of weights; save its state_dict() with torch.save", path_);
      }
      if (entry.name != kPickle && !entry.name.ends_with("/data.pkl")) continue;
      if (pickle != nullptr)
        fail("{} holds two pickles, {} and {}; it is refused", path_, in_quotes(pickle->name), in_quotes(entry.name));
      pickle = &entry;
    }
    if (pickle == nullptr) refuse_foreign_zip(path_, entries_);
    return *pickle;
  }

  // Programs have their code beside the pickle, by their version in one of these.
  static bool is_torch_script(std::string_view name) {
    return name.ends_with("constants.pkl") || name.ends_with("/attributes.pkl") ||
           name.find("/code/__torch__") != std::string_view::npos;
  }

  // So that tensors can be used where they lie. Only now: programs and archives of other things are compressed.
  void check_stored() const {
    for (const ZipEntry& entry : entries_) {
      if (!entry.deflated) continue;
      fail("{}: zip entry {} is compressed, which PyTorch never does; save the model again with torch.save", path_,
           in_quotes(entry.name));
    }
  }

  void check_byte_order(std::string_view folder) const {
    const std::string name = std::string(folder) + "byteorder";
    for (const ZipEntry& entry : entries_) {
      if (entry.name != name || entry.bytes == "little") continue;
      fail("{} has the byte order {}, expected \"little\"; save it again on a little-endian machine", path_,
           in_quotes(entry.bytes));
    }
  }

  std::string path_;
  std::vector<ZipEntry> entries_;
};

class PytorchFile final : public TensorSource {
 public:
  PytorchFile(std::shared_ptr<const MappedFile> file, PytorchParts parts)
      : file_(std::move(file)), parts_(std::move(parts)) {
    std::vector<PickledTensor>& pickled = parts_.contents.tensors;
    if (pickled.empty() && passed_over().empty()) fail("{} holds no tensors; it is no model", path().string());
    if (pickled.empty()) refuse_without_tensors(path().string(), passed_over());
    std::ranges::stable_sort(parts_.contents.passed_over, {}, &PassedOver::name);
    std::sort(pickled.begin(), pickled.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const PickledTensor& tensor : pickled) {
      check_storage(tensor);
      tensors_.push_back({.name = tensor.name,
                          .dtype = tensor.dtype,
                          .shape = tensor.shape,
                          .bytes = tensor.shape.elements() * static_cast<std::int64_t>(dtype_size(tensor.dtype)),
                          .file = path()});
    }
    sort_by_name(tensors_);
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<PassedOver>& passed_over() const override { return parts_.contents.passed_over; }
  const std::filesystem::path& path() const override { return file_->path(); }

  Tensor load(const TensorInfo& info) const override {
    const TensorInfo* known = find(info.name);
    if (known == nullptr) fail("{} has no tensor {}", path().string(), in_quotes(info.name));
    const PickledTensor& tensor = parts_.contents.tensors[static_cast<std::size_t>(known - tensors_.data())];
    const auto offset = tensor.offset * static_cast<std::int64_t>(dtype_size(tensor.dtype));
    const auto* storage = reinterpret_cast<const std::byte*>(find_storage(tensor).data());
    if (tensor.shape.elements() == 0) return borrow_or_copy(tensor.dtype, tensor.shape, storage, file_);
    if (is_contiguous(tensor)) return borrow_or_copy(tensor.dtype, tensor.shape, storage + offset, file_);
    Tensor copy(tensor.dtype, tensor.shape, MemoryKind::weights);
    auto* target = static_cast<std::byte*>(copy.mutable_raw());
    gather(tensor, 0, storage + offset, target);
    return copy;
  }

  void drop_pages() const override { file_->drop_pages(); }

 private:
  std::string_view find_storage(const PickledTensor& tensor) const {
    const auto found = parts_.storages.find(tensor.storage);
    if (found == parts_.storages.end()) {
      fail("{}: tensor {} lies in storage {}, which the file does not have; the file is damaged", path().string(),
           in_quotes(tensor.name), in_quotes(tensor.storage));
    }
    return found->second;
  }

  void check_storage(const PickledTensor& tensor) const {
    const auto size = static_cast<std::int64_t>(find_storage(tensor).size());
    if (size != tensor.storage_bytes) {
      fail("{}: tensor {} lies in a storage of {} bytes, but the file has {} of it; the file is damaged",
           path().string(), in_quotes(tensor.name), tensor.storage_bytes, size);
    }
  }

  std::shared_ptr<const MappedFile> file_;
  PytorchParts parts_;
  std::vector<TensorInfo> tensors_;  // in the order of parts_.contents.tensors
};

// A pickle of the number that torch.save wrote first, 0x1950a86a20f9469cfc6c.
constexpr std::string_view kLegacyMark = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

void skip_pickle(ByteReader& reader) {
  PickledValues ignored;
  run_pickle(reader, ignored);
}

// Bytes of the storage of this key. Throws Error where the pickle did not say.
std::int64_t storage_bytes(const PickledContents& contents, std::string_view key, const std::string& where) {
  const auto known = contents.storages.find(key);
  if (known == contents.storages.end())
    fail("{}: storage {} belongs to no tensor, so that its size is not known", where, in_quotes(key));
  if (known->second == kUnknownBytes)
    fail("{}: storage {} is of a type of which no size is known; load the file in PyTorch and save it again", where,
         in_quotes(key));
  return known->second;
}

}  // namespace

std::shared_ptr<const TensorSource> open_pytorch(std::shared_ptr<const MappedFile> file) {
  PytorchParts parts = looks_like_legacy_pytorch(*file) ? read_legacy_pytorch(*file) : Archive(*file).parts();
  return std::make_shared<PytorchFile>(std::move(file), std::move(parts));
}

bool looks_like_legacy_pytorch(const MappedFile& file) { return file.text().starts_with(kLegacyMark); }

PytorchParts read_legacy_pytorch(const MappedFile& file) {
  ByteReader reader(file.text(), file.path().string());
  skip_pickle(reader);  // the number
  skip_pickle(reader);  // the version of the protocol
  skip_pickle(reader);  // sizes of types on the machine that wrote it
  PytorchParts parts;
  parts.contents = read_pickled_tensors(reader);
  for (const std::string_view key : read_pickled_texts(reader)) {
    reader.take(sizeof(std::int64_t));  // the number of elements, which the tensors know too
    const std::int64_t bytes = storage_bytes(parts.contents, key, reader.where());
    parts.storages.emplace(key, reader.take(static_cast<std::uint64_t>(bytes)));
  }
  return parts;
}

}  // namespace scalekv::formats
