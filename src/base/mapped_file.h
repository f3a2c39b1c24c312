// A file mapped read-only into memory: nothing is read until it is touched, and the page cache is shared.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace scalekv {

class MappedFile {
 public:
  // Maps a regular file (symbolic links are followed). Throws Error naming the path where there is none, or where it
  // is a folder, a pipe or a device. Must outlive whatever looks at its bytes, which is why it is shared.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  // Looks at bytes that are in memory for the whole life of the program (the embedded model); `name` is for messages.
  static std::shared_ptr<const MappedFile> resident(const std::filesystem::path& name,
                                                    std::span<const std::byte> bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // The same bytes as characters.
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Returns the memory of the pages that were read; they are read again when they are touched again.
  void drop_pages() const;

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size, bool mapped)
      : path_(std::move(path)), data_(data), size_(size), mapped_(mapped) {}

  std::filesystem::path path_;
  const std::byte* data_;
  std::size_t size_;
  bool mapped_;  // by us, to be unmapped
};

}  // namespace scalekv
