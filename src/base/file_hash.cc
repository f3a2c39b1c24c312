#include "base/file_hash.h"

#include <algorithm>

#include "base/mapped_file.h"
#include "base/sha256.h"

namespace scalekv {

std::string hash_file(const std::filesystem::path& path, const WorkProgress& progress) {
  constexpr std::size_t kPiece = std::size_t{64} << 20U;  // bytes between two returns of memory to the system
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const std::string what = "hashing " + path.filename().string();
  const std::span<const std::byte> bytes = file->bytes();
  Sha256 sha;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    progress(static_cast<double>(at) / static_cast<double>(bytes.size()), what);
    sha.update(bytes.subspan(at, std::min(kPiece, bytes.size() - at)));
    file->drop_pages();
  }
  return sha.finish();
}

}  // namespace scalekv
