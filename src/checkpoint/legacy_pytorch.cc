#include "checkpoint/legacy_pytorch.h"

#include "checkpoint/pickle_machine.h"
#include "checkpoint/strict_json.h"

namespace scalekv::checkpoint {
namespace {

// A pickle of the number that torch.save wrote first, 0x1950a86a20f9469cfc6c.
constexpr std::string_view kLegacyMark = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

void skip_pickle(ByteReader& reader) {
  PickledValues ignored;
  run_pickle(reader, ignored);
}

// Bytes of the storage that the tensors say a key has. Throws Error where they disagree, or none knows it.
std::int64_t storage_bytes(const std::vector<PickledTensor>& tensors, std::string_view key, const std::string& where) {
  std::int64_t bytes = -1;
  for (const PickledTensor& tensor : tensors) {
    if (tensor.storage != key) continue;
    if (bytes >= 0 && tensor.storage_bytes != bytes) {
      fail("{}: storage {} has {} and {} bytes; the file is damaged", where, in_quotes(key), bytes,
           tensor.storage_bytes);
    }
    bytes = tensor.storage_bytes;
  }
  if (bytes < 0) fail("{}: storage {} belongs to no tensor, so that its size is not known", where, in_quotes(key));
  return bytes;
}

}  // namespace

bool looks_like_legacy_pytorch(const MappedFile& file) { return file.text().starts_with(kLegacyMark); }

PytorchParts read_legacy_pytorch(const MappedFile& file) {
  ByteReader reader(file.text(), file.path().string());
  skip_pickle(reader);  // the number
  skip_pickle(reader);  // the version of the protocol
  skip_pickle(reader);  // sizes of types on the machine that wrote it
  PytorchParts parts;
  parts.tensors = read_pickled_tensors(reader);
  for (const std::string_view key : read_pickled_texts(reader)) {
    reader.take(sizeof(std::int64_t));  // the number of elements, which the tensors know too
    const std::int64_t bytes = storage_bytes(parts.tensors, key, reader.where());
    parts.storages.emplace(key, reader.take(static_cast<std::uint64_t>(bytes)));
  }
  return parts;
}

}  // namespace scalekv::checkpoint
