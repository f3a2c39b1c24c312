#include "checkpoint/pytorch_file.h"

#include <algorithm>
#include <cstring>

#include "checkpoint/mapped_tensors.h"
#include "checkpoint/pickle.h"
#include "checkpoint/strict_json.h"
#include "checkpoint/zip_archive.h"

namespace scalekv::checkpoint {
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

class PytorchFile final : public TensorSource {
 public:
  explicit PytorchFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)), entries_(read_zip(*file_)) {
    const ZipEntry& pickle = find_pickle();
    folder_ = pickle.name.substr(0, pickle.name.size() - kPickle.size());
    check_byte_order();
    pickled_ = read_pickled_tensors(pickle.bytes, fmt::format("{}: its {}", path().string(), kPickle));
    if (pickled_.empty()) fail("{} holds no tensors; it is no model", path().string());
    std::sort(pickled_.begin(), pickled_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const PickledTensor& tensor : pickled_) {
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
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::filesystem::path& path() const override { return file_->path(); }

  Tensor load(const TensorInfo& info) const override {
    const std::int64_t index = find_sorted(tensors_, info.name);
    if (index < 0) fail("{} has no tensor {}", path().string(), in_quotes(info.name));
    const PickledTensor& tensor = pickled_[static_cast<std::size_t>(index)];
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
  const ZipEntry* find_entry(std::string_view name) const {
    const auto found =
        std::lower_bound(entries_.begin(), entries_.end(), name,
                         [](const ZipEntry& entry, std::string_view wanted) { return entry.name < wanted; });
    return found != entries_.end() && found->name == name ? &*found : nullptr;
  }

  const ZipEntry& find_pickle() const {
    const ZipEntry* pickle = nullptr;
    for (const ZipEntry& entry : entries_) {
      if (entry.name.ends_with("constants.pkl")) {
        fail("{} is a TorchScript program, not a file of weights; save its state_dict() with torch.save",
             path().string());
      }
      if (entry.name != kPickle && !entry.name.ends_with("/data.pkl")) continue;
      if (pickle != nullptr)
        fail("{} holds two pickles, {} and {}; it is refused", path().string(), in_quotes(pickle->name),
             in_quotes(entry.name));
      pickle = &entry;
    }
    if (pickle == nullptr) fail("{} is a zip archive but no PyTorch file: it has no {}", path().string(), kPickle);
    return *pickle;
  }

  void check_byte_order() const {
    const ZipEntry* order = find_entry(std::string(folder_) + "byteorder");
    if (order != nullptr && order->bytes != "little") {
      fail("{} has the byte order {}, expected \"little\"; save it again on a little-endian machine", path().string(),
           in_quotes(order->bytes));
    }
  }

  std::string_view find_storage(const PickledTensor& tensor) const {
    const std::string name = fmt::format("{}data/{}", folder_, tensor.storage);
    const ZipEntry* entry = find_entry(name);
    if (entry == nullptr) {
      fail("{}: tensor {} lies in {}, which the archive does not have; the file is damaged", path().string(),
           in_quotes(tensor.name), in_quotes(name));
    }
    return entry->bytes;
  }

  void check_storage(const PickledTensor& tensor) const {
    const auto size = static_cast<std::int64_t>(find_storage(tensor).size());
    if (size != tensor.storage_bytes) {
      fail("{}: tensor {} lies in a storage of {} bytes, but the archive has {} of it; the file is damaged",
           path().string(), in_quotes(tensor.name), tensor.storage_bytes, size);
    }
  }

  std::shared_ptr<const MappedFile> file_;
  std::vector<ZipEntry> entries_;
  std::string_view folder_;             // of the archive: "archive/"
  std::vector<PickledTensor> pickled_;  // in the order of tensors_
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

std::shared_ptr<const TensorSource> open_pytorch(std::shared_ptr<const MappedFile> file) {
  return std::make_shared<PytorchFile>(std::move(file));
}

bool looks_like_legacy_pytorch(const MappedFile& file) {
  // A pickle of the number that torch.save wrote first, 0x1950a86a20f9469cfc6c.
  constexpr std::string_view kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  return file.text().starts_with(kMagic);
}

}  // namespace scalekv::checkpoint
