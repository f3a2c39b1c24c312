#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace scalekv {
namespace {

// Closes a descriptor at the end of its scope; a mapping does not need it.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: a pipe put in the place of a file must not hang the program.
  const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.number < 0) fail("{} cannot be opened: {}", path.string(), std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor.number, &status) != 0) fail("{} cannot be examined: {}", path.string(), std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail("{} is not a regular file; give the path of a model file", path.string());
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) fail("{} is empty; download or copy it again", path.string());
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.number, 0);
  if (data == MAP_FAILED) fail("{} cannot be mapped into memory: {}", path.string(), std::strerror(errno));
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size, true));
}

std::shared_ptr<const MappedFile> MappedFile::resident(const std::filesystem::path& name,
                                                       std::span<const std::byte> bytes) {
  return std::shared_ptr<const MappedFile>(new MappedFile(name, bytes.data(), bytes.size(), false));
}

MappedFile::~MappedFile() {
  if (mapped_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop_pages() const {
  // Only advice: what fails here costs memory, nothing else.
  if (mapped_) static_cast<void>(::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED));
}

}  // namespace scalekv
