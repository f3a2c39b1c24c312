#include "base/file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "base/error.h"

namespace scalekv {

std::string read_file(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) fail("{} cannot be read: it is a folder", path.string());
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("{} cannot be read: {}", path.string(), std::strerror(errno));
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) fail("{} cannot be read to its end: {}", path.string(), std::strerror(errno));
  return text;
}

void write_file(const std::filesystem::path& path, const std::filesystem::path& beside,
                std::span<const std::byte> bytes) {
  std::error_code ignored;
  {
    std::ofstream stream(beside, std::ios::binary | std::ios::trunc);
    stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    stream.flush();
    if (!stream) {
      const int reason = errno;
      stream.close();
      std::filesystem::remove(beside, ignored);
      fail("{} cannot be written: {}", path.string(), std::strerror(reason));
    }
  }
  std::error_code failed;
  std::filesystem::rename(beside, path, failed);
  if (failed) {
    std::filesystem::remove(beside, ignored);
    fail("{} cannot be written: {}", path.string(), failed.message());
  }
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::path beside = path;
  beside += ".part" + std::to_string(::getpid());
  write_file(path, beside, bytes);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

std::vector<std::string_view> whole_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace scalekv
