#include "formats/npz.h"

#include <zlib.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/numbers.h"
#include "base/strict_json.h"
#include "formats/byte_reader.h"
#include "formats/tensor_source.h"
#include "formats/zip_archive.h"

namespace scalekv::formats {
namespace {

constexpr std::string_view kNumpyMark = "\x93NUMPY";
constexpr std::string_view kSuffix = ".npy";
constexpr std::uint64_t kMaxArray = std::uint64_t{4} << 30;
constexpr std::uint64_t kMaxArrayHeader = 65536;
constexpr std::uint64_t kMaxExpansion = 1032;  // deflate's: 258 bytes in two bits

// The bytes of an entry that zlib compressed.
std::string inflate(const ZipEntry& entry, const std::string& where) {
  if (entry.size > kMaxArray) fail("{} announces {} bytes, expected at most {}", where, entry.size, kMaxArray);
  if (entry.size / kMaxExpansion > entry.bytes.size()) {
    fail("{} announces {} bytes, more than {} compressed ones can hold", where, entry.size, entry.bytes.size());
  }
  std::string bytes(static_cast<std::size_t>(entry.size), '\0');
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(entry.bytes.data()));  // zlib only reads it
  stream.avail_in = static_cast<uInt>(entry.bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  const bool fits = entry.bytes.size() <= UINT32_MAX && bytes.size() <= UINT32_MAX;
  if (!fits || ::inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail("{} cannot be decompressed", where);
  const int result = ::inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0;
  ::inflateEnd(&stream);
  if (!whole) fail("{} is compressed data that are damaged or of another length than {}", where, entry.size);
  return bytes;
}

// What follows 'key': in the header, a Python dictionary that NumPy writes in one form.
std::string_view header_value(std::string_view header, std::string_view key, const std::string& where) {
  const std::string quoted = fmt::format("'{}':", key);
  const std::size_t at = header.find(quoted);
  if (at == std::string_view::npos) fail("{} has a header without {}", where, quoted);
  const std::string_view rest = header.substr(at + quoted.size());
  return rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
}

Shape parse_shape(std::string_view text, const std::string& where) {
  std::vector<std::int64_t> sizes;
  const std::size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) fail("{} has a header without a shape", where);
  for (const std::string& part : split_list(text.substr(1, end - 1))) {
    const auto size = find_number<std::int64_t>(part);
    if (!size || *size < 0 || sizes.size() == kMaxRank) fail("{} has an unusable shape", where);
    sizes.push_back(*size);
  }
  return Shape(sizes);
}

Tensor read_array(std::string_view bytes, const std::string& where) {
  ByteReader reader(bytes, where);
  if (reader.take(kNumpyMark.size()) != kNumpyMark) fail("{} is no NumPy array", where);
  const auto version = reader.number<std::uint8_t>();
  reader.take(1);
  const std::uint64_t header_size = version == 1 ? reader.number<std::uint16_t>() : reader.number<std::uint32_t>();
  if (version < 1 || version > 3 || header_size > kMaxArrayHeader) fail("{} has a header of an unknown kind", where);
  const std::string_view header = reader.take(header_size);
  const std::string_view type = header_value(header, "descr", where);
  const DType dtype = type.starts_with("'<f4'") ? DType::f32 : DType::f64;
  if (dtype == DType::f64 && !type.starts_with("'<f8'")) {
    fail("{} is of type {}, expected '<f4' or '<f8'", where, in_quotes(type.substr(0, type.find(','))));
  }
  if (!header_value(header, "fortran_order", where).starts_with("False")) {
    fail("{} is in Fortran's order; save it again in C order", where);
  }
  const Shape shape = parse_shape(header_value(header, "shape", where), where);
  const std::string_view data = reader.take(static_cast<std::uint64_t>(checked_bytes(dtype, shape, where)));
  if (reader.position() != bytes.size()) fail("{} is longer than its shape {}", where, shape.to_string());
  Tensor array(DType::f64, shape, MemoryKind::other);
  double* values = array.view<double>().data();
  for (std::int64_t i = 0; i < array.elements(); ++i) {
    if (dtype == DType::f64) {
      std::memcpy(values + i, data.data() + i * 8, 8);
    } else {
      float value = 0.0F;
      std::memcpy(&value, data.data() + i * 4, 4);
      values[i] = value;
    }
    if (!std::isfinite(values[i])) fail("{} holds NaN or infinity at element {}", where, i);
  }
  return array;
}

template <typename T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);  // little-endian, as this program's machines are
}

std::string array_bytes(const Tensor& array) {
  std::string shape;
  for (const std::int64_t size : array.shape().sizes()) shape += fmt::format("{}, ", size);
  if (array.shape().rank() > 1) shape.resize(shape.size() - 2);
  std::string header = fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}), }}", shape);
  constexpr std::size_t kAlignment = 64;
  const std::size_t fixed = kNumpyMark.size() + 2 + 2;
  header.append(kAlignment - (fixed + header.size() + 1) % kAlignment, ' ').push_back('\n');
  std::string bytes = std::string(kNumpyMark) + std::string("\1\0", 2);
  put(bytes, static_cast<std::uint16_t>(header.size()));
  bytes += header;
  bytes.append(static_cast<const char*>(array.raw()), static_cast<std::size_t>(array.bytes()));
  return bytes;
}

// What the local header and the directory say alike: versions, flags, method, time, date, checksum, sizes, name.
std::string entry_facts(const std::string& name, const std::string& data) {
  std::string facts;
  put<std::uint16_t>(facts, 20);
  put<std::uint16_t>(facts, 0);
  put<std::uint16_t>(facts, 0);
  put<std::uint16_t>(facts, 0);
  put<std::uint16_t>(facts, 0x21);  // 1 January 1980, the first day that zip knows
  put(facts, static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size())));
  put(facts, static_cast<std::uint32_t>(data.size()));
  put(facts, static_cast<std::uint32_t>(data.size()));
  put(facts, static_cast<std::uint16_t>(name.size()));
  put<std::uint16_t>(facts, 0);
  return facts;
}

}  // namespace

std::map<std::string, Tensor> read_npz(const MappedFile& file) {
  const std::string path = file.path().string();
  if (!looks_like_zip(file)) fail("{} is no .npz file: it is no zip archive", path);
  std::map<std::string, Tensor> arrays;
  for (const ZipEntry& entry : read_zip(file)) {
    if (!entry.name.ends_with(kSuffix)) continue;
    const std::string name(entry.name.substr(0, entry.name.size() - kSuffix.size()));
    const std::string where = fmt::format("{}: array {}", path, in_quotes(name));
    arrays.emplace(name, entry.deflated ? read_array(inflate(entry, where), where) : read_array(entry.bytes, where));
  }
  return arrays;
}

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path) { return read_npz(*MappedFile::open(path)); }

void write_npz(const std::filesystem::path& path, const std::map<std::string, Tensor>& arrays) {
  std::string bytes;
  std::string directory;
  for (const auto& [array_name, array] : arrays) {
    const std::string name = array_name + std::string(kSuffix);
    const std::string data = array_bytes(array);
    SCALEKV_ASSERT(array.dtype() == DType::f64 && bytes.size() + data.size() < UINT32_MAX);
    const std::string facts = entry_facts(name, data);
    directory += "PK\1\2";
    put<std::uint16_t>(directory, 20);
    directory += facts;
    directory.append(2 + 2 + 2 + 4, '\0');  // comment, disk, attributes
    put(directory, static_cast<std::uint32_t>(bytes.size()));
    directory += name;
    bytes.append("PK\3\4").append(facts).append(name).append(data);
  }
  const auto offset = static_cast<std::uint32_t>(bytes.size());
  const auto count = static_cast<std::uint16_t>(arrays.size());
  bytes += directory + "PK\5\6";
  put<std::uint32_t>(bytes, 0);  // disks
  put(bytes, count);
  put(bytes, count);
  put(bytes, static_cast<std::uint32_t>(directory.size()));
  put(bytes, offset);
  put<std::uint16_t>(bytes, 0);
  write_file(path, bytes);
}

}  // namespace scalekv::formats
