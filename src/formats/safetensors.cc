#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/strict_json.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr std::string_view kAgain = "the file is damaged or was cut short: download or convert it again";

std::uint64_t header_length(const MappedFile& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.bytes().data(), kLengthBytes);  // little-endian, as this program's machines are
  return length;
}

// A size, count or offset: a whole number from 0 to 2^63 - 1.
std::int64_t whole_number(const json& value, const std::string& where, std::string_view what) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    fail("{}: {} is {}, expected a whole number of at least 0", where, what, in_quotes(value.dump()));
  }
  return value.get<std::int64_t>();
}

const json& member(const json& entry, const char* key, const std::string& where) {
  const auto found = entry.find(key);
  if (found == entry.end()) fail("{} has no \"{}\"; {}", where, key, kAgain);
  return *found;
}

std::vector<std::int64_t> read_sizes(const json& value, const std::string& where) {
  if (!value.is_array()) fail("{}: its shape is not a list; {}", where, kAgain);
  std::vector<std::int64_t> sizes;
  for (const json& size : value) sizes.push_back(whole_number(size, where, "a dimension"));
  return sizes;
}

// None for a type that this program does not compute with.
std::optional<DType> read_dtype(const json& value, const std::string& where) {
  if (!value.is_string()) fail("{}: its element type is not a name; {}", where, kAgain);
  try {
    return parse_dtype(value.get<std::string>());
  } catch (const Error&) {
    return {};
  }
}

class SafetensorsFile final : public TensorSource {
 public:
  explicit SafetensorsFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
    const std::string where = file_->path().string();
    const std::size_t size = file_->bytes().size();
    if (size < kLengthBytes) fail("{} holds {} bytes, too few for a .safetensors file; {}", where, size, kAgain);
    const std::uint64_t length = header_length(*file_);
    if (length > kMaxHeader) {
      fail(
          "{} announces a header of {} bytes, more than the {} that are allowed; it is no .safetensors file, or a "
          "damaged one",
          where, length, kMaxHeader);
    }
    if (length > size - kLengthBytes) {
      fail("{} announces a header of {} bytes but holds only {}; {}", where, length, size - kLengthBytes, kAgain);
    }
    data_ = kLengthBytes + static_cast<std::size_t>(length);
    data_size_ = static_cast<std::int64_t>(size - data_);
    const json header = parse_strict_json(file_->text().substr(kLengthBytes, length), where + ": its header");
    if (!header.is_object()) fail("{}: its header is not a JSON object; {}", where, kAgain);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        read_metadata(entry);
      } else {
        read_tensor(name, entry);
      }
    }
    check_ranges();
    sort_by_name(tensors_);
    std::ranges::stable_sort(passed_over_, {}, &PassedOver::name);
    if (tensors_.empty() && !passed_over_.empty()) refuse_without_tensors(where, passed_over_);
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::vector<PassedOver>& passed_over() const override { return passed_over_; }
  const std::filesystem::path& path() const override { return file_->path(); }

  Tensor load(const TensorInfo& info) const override {
    const auto offset = offsets_.find(info.name);
    if (offset == offsets_.end()) fail("{} has no tensor {}", path().string(), in_quotes(info.name));
    const TensorInfo* known = find(info.name);
    return borrow_or_copy(known->dtype, known->shape, file_->bytes().data() + data_ + offset->second, file_);
  }

  void drop_pages() const override { file_->drop_pages(); }

 private:
  void read_metadata(const json& entry) {
    if (!entry.is_object()) fail("{}: its __metadata__ is not a JSON object; {}", path().string(), kAgain);
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail("{}: its metadata {} is not a string; {}", path().string(), in_quotes(key), kAgain);
      metadata_.emplace(key, value.get<std::string>());
    }
  }

  void read_tensor(const std::string& name, const json& entry) {
    const std::string where = fmt::format("{}: tensor {}", path().string(), in_quotes(name));
    if (!is_sane_name(name)) fail("{} has an unusable name; {}", where, kAgain);
    if (!entry.is_object()) fail("{} is not described by a JSON object; {}", where, kAgain);
    const std::optional<DType> dtype = read_dtype(member(entry, "dtype", where), where);
    const std::vector<std::int64_t> sizes = read_sizes(member(entry, "shape", where), where);
    const json& range = member(entry, "data_offsets", where);
    if (!range.is_array() || range.size() != 2) fail("{}: its data_offsets are not two numbers; {}", where, kAgain);
    const std::int64_t begin = whole_number(range[0], where, "its first offset");
    const std::int64_t end = whole_number(range[1], where, "its last offset");
    if (begin > end) fail("{}: its data ends at {}, before its beginning {}; {}", where, end, begin, kAgain);
    if (end > data_size_) {
      fail("{}: its data ends at byte {}, but the file holds only {} bytes of data; {}", where, end, data_size_,
           kAgain);
    }
    ranges_.push_back({begin, end - begin, name});
    if (!dtype || sizes.size() > kMaxRank) {
      pass_over(name, dtype ? fmt::format("a tensor of {} dimensions", sizes.size())
                            : fmt::format("a tensor of type {}", in_quotes(entry["dtype"].get<std::string>())));
      return;
    }
    TensorInfo info{.name = name, .dtype = *dtype, .shape = Shape(sizes), .file = path()};
    info.bytes = checked_bytes(info.dtype, info.shape, where);
    if (end - begin != info.bytes) {
      fail("{}: shape {} of {} takes {} bytes, but {} are given to it; {}", where, info.shape.to_string(),
           dtype_name(info.dtype), info.bytes, end - begin, kAgain);
    }
    offsets_.emplace(name, begin);
    tensors_.push_back(std::move(info));
  }

  void pass_over(const std::string& name, std::string what) {
    passed_over_.push_back({.name = name,
                            .what = std::move(what),
                            .advice = "save it with at most 6 dimensions, in float32, float16 or bfloat16"});
  }

  void check_ranges() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return std::pair(a.begin, a.bytes) < std::pair(b.begin, b.bytes); });
    std::int64_t end = 0;
    for (const Range& range : ranges_) {
      if (range.begin != end) {
        fail("{}: tensor {} begins at byte {}, {} the tensor before it, which ends at {}; {}", path().string(),
             in_quotes(range.name), range.begin, range.begin < end ? "overlapping" : "leaving a gap after", end,
             kAgain);
      }
      end += range.bytes;
    }
    if (end != data_size_) {
      fail("{} holds {} bytes of data, but its tensors take {}; {}", path().string(), data_size_, end, kAgain);
    }
  }

  // What a tensor takes of the data section, read or not.
  struct Range {
    std::int64_t begin;
    std::int64_t bytes;
    std::string name;
  };

  std::shared_ptr<const MappedFile> file_;
  std::size_t data_ = 0;  // where the data section begins
  std::int64_t data_size_ = 0;
  std::vector<Range> ranges_;
  std::vector<TensorInfo> tensors_;
  std::vector<PassedOver> passed_over_;
  std::map<std::string, std::int64_t, std::less<>> offsets_;  // of each tensor in the data section
  std::map<std::string, std::string> metadata_;
};

}  // namespace

bool looks_like_safetensors(const MappedFile& file) {
  return file.bytes().size() > kLengthBytes && header_length(file) <= kMaxHeader && file.text()[kLengthBytes] == '{';
}

std::shared_ptr<const TensorSource> open_safetensors(std::shared_ptr<const MappedFile> file) {
  return std::make_shared<SafetensorsFile>(std::move(file));
}

}  // namespace scalekv::formats
