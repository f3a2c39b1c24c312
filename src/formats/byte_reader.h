// Little-endian numbers and strings from bytes that are not trusted.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"

namespace scalekv::formats {

class ByteReader {
 public:
  // `where` is for messages: the file and the part of it that is read.
  ByteReader(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  std::size_t position() const { return position_; }
  const std::string& where() const { return where_; }

  // The next `count` bytes. Throws Error where there are fewer.
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - position_) {
      fail("{} ends within an item at byte {}; the file is damaged or was cut short: download it again", where_,
           position_);
    }
    const std::string_view taken = bytes_.substr(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);  // little-endian, as this program's machines are
    return value;
  }

  // Text up to the next line feed, which is skipped.
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) take(bytes_.size() - position_ + 1);
    const std::string_view text = take(end - position_);
    take(1);
    return text;
  }

 private:
  std::string_view bytes_;
  std::string where_;
  std::size_t position_ = 0;
};

}  // namespace scalekv::formats
