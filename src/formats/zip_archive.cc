#include "formats/zip_archive.h"

#include <algorithm>

#include "base/strict_json.h"
#include "formats/byte_reader.h"

// Libraries for zip (libzip, minizip) copy an entry out; here weights are used where they lie in the mapped file, so
// the places of all entries must be known and checked. Only inflation is a library's (npz.cc). The format:
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.5.3).
namespace scalekv::formats {
namespace {

constexpr std::string_view kLocalHeader = "PK\3\4";
constexpr std::string_view kCentralHeader = "PK\1\2";
constexpr std::string_view kEnd = "PK\5\6";
constexpr std::string_view kEnd64 = "PK\6\6";
constexpr std::string_view kLocator64 = "PK\6\7";
constexpr std::size_t kLocalSize = 30;
constexpr std::size_t kCentralSize = 46;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kMaxComment = 65535;
constexpr std::uint64_t kMaxEntries = 200'000;
constexpr std::uint16_t kSaturated16 = 0xffff;
constexpr std::uint32_t kSaturated32 = 0xffffffff;  // the figure stands in the zip64 field
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint16_t kSizesFollow = 8;  // the local header has no sizes: they were not known when it was written
constexpr std::uint16_t kZip64Field = 1;
constexpr std::string_view kDamaged = "the file is damaged or was cut short: download it again";

struct Directory {
  std::uint64_t offset;
  std::uint64_t size;
  std::uint64_t entries;
};

struct Located {
  ZipEntry entry;
  std::uint64_t begin;  // of the local header
  std::uint64_t end;    // of the data
};

class ZipReader {
 public:
  explicit ZipReader(const MappedFile& file) : text_(file.text()), where_(file.path().string()) {}

  std::vector<ZipEntry> entries() {
    directory_ = find_directory();
    const std::string where = where_ + ": its zip directory";
    ByteReader reader(part(directory_.offset, directory_.size, where), where);
    std::vector<Located> located;
    for (std::uint64_t i = 0; i < directory_.entries; ++i) located.push_back(read_entry(reader));
    check_overlaps(located);
    std::vector<ZipEntry> entries;
    for (const Located& one : located) entries.push_back(one.entry);
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(entries.begin(), entries.end(),
                                          [](const auto& a, const auto& b) { return a.name == b.name; });
    if (twice != entries.end()) fail("{}: zip entry {} occurs twice; {}", where_, in_quotes(twice->name), kDamaged);
    return entries;
  }

 private:
  std::string_view part(std::uint64_t offset, std::uint64_t size, const std::string& where) const {
    if (offset > text_.size() || size > text_.size() - offset) {
      fail("{} lies at bytes {} to {}, but the file holds {}; {}", where, offset, offset + size, text_.size(),
           kDamaged);
    }
    return text_.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
  }

  // The record at the end of the file, before a comment that may follow it.
  std::size_t find_end() const {
    const std::size_t lowest = text_.size() < kEndSize + kMaxComment ? 0 : text_.size() - kEndSize - kMaxComment;
    const std::string_view tail = text_.substr(lowest);
    std::size_t at = tail.rfind(kEnd);
    while (at != std::string_view::npos) {
      if (tail.size() - at >= kEndSize) {
        ByteReader comment_size(tail.substr(at + kEndSize - 2), where_);
        if (comment_size.number<std::uint16_t>() == tail.size() - at - kEndSize) return lowest + at;
      }
      at = at == 0 ? std::string_view::npos : tail.rfind(kEnd, at - 1);
    }
    fail("{} has no zip directory at its end; {}", where_, kDamaged);
  }

  Directory find_directory() const {
    const std::size_t end = find_end();
    ByteReader reader(text_.substr(end + kEnd.size()), where_ + ": the end of its zip directory");
    const auto disk = reader.number<std::uint16_t>();
    const auto first_disk = reader.number<std::uint16_t>();
    reader.take(2);  // entries on this disk
    const auto entries = reader.number<std::uint16_t>();
    const auto size = reader.number<std::uint32_t>();
    const auto offset = reader.number<std::uint32_t>();
    Directory directory{offset, size, entries};
    const bool large = entries == kSaturated16 || size == kSaturated32 || offset == kSaturated32;
    const bool located = end >= kLocatorSize && text_.substr(end - kLocatorSize, 4) == kLocator64;
    if (large && !located) fail("{}: its zip directory lacks the figures of a large archive; {}", where_, kDamaged);
    if (located) directory = read_directory64(end - kLocatorSize);
    if ((disk != 0 && disk != kSaturated16) || (first_disk != 0 && first_disk != kSaturated16)) {
      fail("{} is one volume of a zip archive in several; join them first", where_);
    }
    if (directory.entries > kMaxEntries) {
      fail("{} announces {} zip entries, expected at most {}; {}", where_, directory.entries, kMaxEntries, kDamaged);
    }
    return directory;
  }

  Directory read_directory64(std::size_t locator) const {
    const std::string where = where_ + ": its zip64 directory";
    ByteReader locating(text_.substr(locator + kLocator64.size()), where);
    locating.take(4);  // disk
    const auto at = locating.number<std::uint64_t>();
    ByteReader reader(part(at, at < locator ? locator - at : text_.size(), where), where);
    if (reader.take(4) != kEnd64) fail("{} is not at byte {}, where it should be; {}", where, at, kDamaged);
    reader.take(8 + 2 + 2 + 4 + 4);  // length, versions, disks
    reader.take(8);                  // entries on this disk
    const auto entries = reader.number<std::uint64_t>();
    const auto size = reader.number<std::uint64_t>();
    const auto offset = reader.number<std::uint64_t>();
    return {offset, size, entries};
  }

  // One entry of the directory, and its local header.
  Located read_entry(ByteReader& reader) const {
    const std::string_view fixed = reader.take(kCentralSize);
    ByteReader header(fixed, reader.where());
    if (header.take(4) != kCentralHeader) fail("{} has an entry without its mark; {}", reader.where(), kDamaged);
    header.take(2 + 2);  // versions
    const auto flags = header.number<std::uint16_t>();
    const auto method = header.number<std::uint16_t>();
    header.take(2 + 2 + 4);  // time, date, checksum
    std::uint64_t stored = header.number<std::uint32_t>();
    std::uint64_t size = header.number<std::uint32_t>();
    const auto name_size = header.number<std::uint16_t>();
    const auto extra_size = header.number<std::uint16_t>();
    const auto comment_size = header.number<std::uint16_t>();
    header.take(2 + 2 + 4);  // disk, attributes
    std::uint64_t offset = header.number<std::uint32_t>();
    const std::string_view name = reader.take(name_size);
    const std::string where = fmt::format("{}: zip entry {}", where_, in_quotes(name));
    read_zip64(reader.take(extra_size), {&size, &stored, &offset}, where);
    reader.take(comment_size);
    if ((flags & kEncrypted) != 0) fail("{} is encrypted; unpack it first", where);
    const bool deflated = method == kDeflated;
    if (method != 0 && !deflated) {
      fail("{} is compressed (method {}), which is not read here; unpack it, or save the model again with torch.save",
           where, method);
    }
    if (stored != size && !deflated) fail("{} is stored in {} bytes but is {} long; {}", where, stored, size, kDamaged);
    return read_local({name, {}, deflated, size}, method, stored, offset, where);
  }

  // The figures that do not fit 32 bits, in the order of the format, for those that are saturated.
  static void read_zip64(std::string_view extra, std::initializer_list<std::uint64_t*> figures,
                         const std::string& where) {
    ByteReader reader(extra, where);
    while (reader.position() + 4 <= extra.size()) {
      const auto id = reader.number<std::uint16_t>();
      const auto size = reader.number<std::uint16_t>();
      ByteReader field(reader.take(size), where);
      if (id != kZip64Field) continue;
      for (std::uint64_t* figure : figures) {
        if (*figure == kSaturated32) *figure = field.number<std::uint64_t>();
      }
      return;
    }
  }

  // `listed`: what the directory says; it takes `stored` bytes in the file.
  Located read_local(ZipEntry listed, std::uint16_t listed_method, std::uint64_t stored_size, std::uint64_t offset,
                     const std::string& where) const {
    ByteReader header(part(offset, kLocalSize, where), where);
    if (header.take(4) != kLocalHeader)
      fail("{} does not begin at byte {}, where the directory says; {}", where, offset, kDamaged);
    header.take(2);
    const auto flags = header.number<std::uint16_t>();
    const auto method = header.number<std::uint16_t>();
    header.take(2 + 2 + 4);
    const auto stored = header.number<std::uint32_t>();
    const auto full = header.number<std::uint32_t>();
    const auto name_size = header.number<std::uint16_t>();
    const auto extra_size = header.number<std::uint16_t>();
    const auto agrees = [&](std::uint32_t figure, std::uint64_t size) {
      return figure == size || figure == kSaturated32 || ((flags & kSizesFollow) != 0 && figure == 0);
    };
    if (method != listed_method || (flags & kEncrypted) != 0 || !agrees(stored, stored_size) ||
        !agrees(full, listed.size) || part(offset + kLocalSize, name_size, where) != listed.name) {
      fail("{} is described in two ways, by the directory and before its data; {}", where, kDamaged);
    }
    const std::uint64_t data = offset + kLocalSize + name_size + extra_size;
    listed.bytes = part(data, stored_size, where);
    if (data + stored_size > directory_.offset) fail("{} reaches into the zip directory; {}", where, kDamaged);
    return {listed, offset, data + stored_size};
  }

  void check_overlaps(std::vector<Located>& located) const {
    std::sort(located.begin(), located.end(), [](const Located& a, const Located& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < located.size(); ++i) {
      if (located[i].begin < located[i - 1].end) {
        fail("{}: zip entries {} and {} overlap; {}", where_, in_quotes(located[i - 1].entry.name),
             in_quotes(located[i].entry.name), kDamaged);
      }
    }
  }

  std::string_view text_;
  std::string where_;
  Directory directory_{};
};

}  // namespace

bool looks_like_zip(const MappedFile& file) { return file.text().starts_with(kLocalHeader); }

std::vector<ZipEntry> read_zip(const MappedFile& file) { return ZipReader(file).entries(); }

}  // namespace scalekv::formats
