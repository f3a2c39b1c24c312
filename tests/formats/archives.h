// Zip archives and pickles written by hand, sound or not, for the tests of their readers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/files.h"

namespace scalekv::formats {

template <typename T>
std::string le(T value) {
  return bytes_of<T>({value});
}

// What one entry of an archive says of itself; the figures follow from name and data unless they are changed.
struct ZipPart {
  std::string name;
  std::string data;
  std::string local_name = name;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::uint32_t stored = static_cast<std::uint32_t>(data.size());
  std::uint32_t size = static_cast<std::uint32_t>(data.size());
  std::string extra = {};     // in the directory
  std::int64_t same_as = -1;  // the entry whose local header the directory names instead of this one's
};

inline std::string zip_bytes(const std::vector<ZipPart>& parts, std::uint16_t announced_more = 0) {
  std::string bytes;
  std::string directory;
  std::vector<std::uint32_t> offsets;
  for (const ZipPart& part : parts) {
    const bool shared = part.same_as >= 0;
    offsets.push_back(shared ? offsets[static_cast<std::size_t>(part.same_as)]
                             : static_cast<std::uint32_t>(bytes.size()));
    const auto name_size = static_cast<std::uint16_t>(part.name.size());
    const std::string common = le(part.flags) + le(part.method) + std::string(8, '\0');
    if (!shared) {
      const auto size = static_cast<std::uint32_t>(part.data.size());
      bytes.append("PK\3\4").append(le<std::uint16_t>(20)).append(common).append(le(size)).append(le(size));
      bytes.append(le(static_cast<std::uint16_t>(part.local_name.size()))).append(le<std::uint16_t>(0));
      bytes.append(part.local_name).append(part.data);
    }
    directory.append("PK\1\2")
        .append(le<std::uint32_t>(20))
        .append(common)
        .append(le(part.stored))
        .append(le(part.size));
    directory.append(le(name_size)).append(le(static_cast<std::uint16_t>(part.extra.size()))).append(10, '\0');
    directory.append(le(offsets.back())).append(part.name).append(part.extra);
  }
  const auto count = static_cast<std::uint16_t>(parts.size() + announced_more);
  const auto offset = static_cast<std::uint32_t>(bytes.size());
  return bytes + directory + std::string("PK\5\6") + std::string(4, '\0') + le(count) + le(count) +
         le(static_cast<std::uint32_t>(directory.size())) + le(offset) + le<std::uint16_t>(0);
}

// Opcodes of pickles.
namespace op {

inline std::string text(std::string_view value) {
  return std::string("X") + le(static_cast<std::uint32_t>(value.size())) + std::string(value);
}
inline std::string number(std::int64_t value) { return std::string("\x8a\x08", 2) + le(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return fmt::format("c{}\n{}\n", module, name);
}
inline std::string tuple(std::string_view items) { return fmt::format("({}t", items); }
inline std::string call(std::string_view function, std::string_view arguments) {
  return std::string(function) + tuple(arguments) + "R";
}
inline std::string numbers(const std::vector<std::int64_t>& values) {
  std::string items;
  for (const std::int64_t value : values) items += number(value);
  return tuple(items);
}
inline std::string storage(std::string_view type, std::string_view key, std::int64_t elements) {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + number(elements)) + "Q";
}
inline std::string arguments(std::string_view storage, std::int64_t offset, const std::vector<std::int64_t>& shape,
                             const std::vector<std::int64_t>& strides) {
  return std::string(storage) + number(offset) + numbers(shape) + numbers(strides) + "\x89" +
         call(global("collections", "OrderedDict"), "");
}
inline std::string tensor(std::string_view storage, std::int64_t offset, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"), arguments(storage, offset, shape, strides));
}
// A dictionary of one name.
inline std::string dict(std::string_view name, std::string_view value) {
  return std::string("}") + text(name) + std::string(value) + "s";
}

}  // namespace op

inline std::string pickle_bytes(std::string_view opcodes) {
  return std::string("\x80\x02") + std::string(opcodes) + ".";
}

// The storage of such an archive as torch_parts() makes it.
inline const std::string kStorage = op::storage("FloatStorage", "0", 4);

// A PyTorch archive of this pickle and four floats of storage "0".
inline std::vector<ZipPart> torch_parts(std::string_view opcodes) {
  return {{.name = "a/data.pkl", .data = pickle_bytes(opcodes)},
          {.name = "a/data/0", .data = bytes_of<float>({1, 2, 3, 4})}};
}

}  // namespace scalekv::formats
