#include "formats/legacy_pytorch.h"

#include "base/strict_json.h"
#include "formats/pickle_machine.h"

namespace scalekv::formats {
namespace {

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
