#include "text/model_check.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"

namespace scalekv::text {
namespace {

[[noreturn]] void refuse(const char* why) {
  fail("the tokenizer is not a sound SentencePiece model ({}); download spiece.model again", why);
}

// Walks over the fields of a Protocol Buffers message.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  // The next field; false at the end. Throws Error on damage, also where the library would be more lenient.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    number_ = tag >> 3U;
    bytes_ = {};
    if (number_ == 0 || tag > std::numeric_limits<std::uint32_t>::max()) refuse("a field has an impossible number");
    switch (tag & 7U) {
      case 0:
        static_cast<void>(varint());
        break;
      case 1:
        static_cast<void>(cut(8));
        break;
      case 2:
        bytes_ = cut(varint());
        break;
      case 5:
        static_cast<void>(cut(4));
        break;
      default:
        refuse("a field is of an unknown type");
    }
    return true;
  }

  std::uint64_t number() const { return number_; }
  // Of a field of bytes or a message, else empty.
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view cut(std::uint64_t count) {
    if (count > rest_.size()) refuse("it is cut short");
    const std::string_view front = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return front;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(cut(1).front());
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    refuse("a number is too long");
  }

  std::string_view rest_;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

// The units of a Darts double array: https://github.com/s-yata/darts-clone. From a unit p the byte c leads to the unit
// (p ^ offset(p)) ^ c if that one carries the label c; a unit that ends a key has its value at p ^ offset(p).
class DoubleArray {
 public:
  DoubleArray(std::string_view units, std::string_view texts) : units_(units.size() / 4), texts_(texts) {
    std::memcpy(units_.data(), units.data(), units_.size() * 4);
    states_.resize(units_.size());
  }

  // Throws Error where a walk can leave the array or the texts, go round in circles, or meet more keys than the
  // library has room for.
  void check() { visit(0, 0); }

 private:
  static constexpr std::size_t kBlock = 256;    // the units that one unit can lead to
  static constexpr int kMaxDepth = 1024;        // bytes of a key
  static constexpr std::uint8_t kMaxKeys = 32;  // keys that one text may start with: Normalizer::kMaxTrieResultsSize
  static constexpr std::uint8_t kUnseen = 0, kUnderWay = 255;

  // How many keys end at or below a unit on the way where most do.
  std::uint8_t visit(std::size_t p, int depth) {
    if (states_[p] == kUnderWay) refuse("its rewrites go round in circles");
    if (states_[p] != kUnseen) return static_cast<std::uint8_t>(states_[p] - 1);
    if (depth > kMaxDepth) refuse("its rewrites are too long");
    states_[p] = kUnderWay;
    const std::uint32_t unit = units_[p];
    const std::size_t base = p ^ ((static_cast<std::size_t>(unit) >> 10U) << ((unit & 0x200U) >> 6U));
    if (base / kBlock >= units_.size() / kBlock) refuse("its rewrites point outside their table");
    const bool ends = (unit & 0x100U) != 0;
    if (ends) check_text(units_[base] & 0x7FFFFFFFU);
    std::uint8_t most = 0;
    const std::size_t begin = base / kBlock * kBlock;
    for (std::size_t q = begin; q < begin + kBlock; ++q) {
      if ((units_[q] & 0x800000FFU) == (q ^ base)) most = std::max(most, visit(q, depth + 1));
    }
    most = static_cast<std::uint8_t>(most + (ends ? 1 : 0));
    if (most > kMaxKeys) refuse("too many rewrites start alike");
    states_[p] = static_cast<std::uint8_t>(most + 1);
    return most;
  }

  void check_text(std::size_t at) const {
    if (at >= texts_.size()) refuse("its rewrites point outside their texts");
    if ((static_cast<unsigned char>(texts_[at]) & 0xC0U) == 0x80U) refuse("its rewrites point into a character");
  }

  std::vector<std::uint32_t> units_;
  std::vector<std::uint8_t> states_;  // kUnseen, kUnderWay, or what visit() returned plus 1
  std::string_view texts_;
};

// A size in 4 bytes, that many bytes of a double array, and the texts it points to, each with a NUL behind it.
void check_rewrites(std::string_view table) {
  if (table.empty()) return;
  std::uint32_t size = 0;
  if (table.size() <= sizeof(size)) refuse("its rewrites are cut short");
  std::memcpy(&size, table.data(), sizeof(size));
  table.remove_prefix(sizeof(size));
  constexpr std::uint32_t kBlockBytes = 1024;
  if (size == 0 || size % kBlockBytes != 0 || size >= table.size()) refuse("its rewrites have a wrong size");
  const std::string_view texts = table.substr(size);
  if (texts.back() != '\0') refuse("the texts of its rewrites do not end");
  if (find_invalid_utf8(texts) != std::string_view::npos) refuse("the texts of its rewrites are not UTF-8");
  DoubleArray(table.substr(0, size), texts).check();
}

}  // namespace

std::string_view check_sentencepiece_model(std::string_view model) {
  constexpr std::uint64_t kNormalizer = 3, kDenormalizer = 5, kRewrites = 2;  // sentencepiece_model.proto
  std::string_view rewrites;
  for (Fields fields(model); fields.next();) {
    if (fields.number() != kNormalizer && fields.number() != kDenormalizer) continue;
    for (Fields spec(fields.bytes()); spec.next();) {
      if (spec.number() != kRewrites) continue;
      check_rewrites(spec.bytes());
      if (fields.number() == kNormalizer) rewrites = spec.bytes();
    }
  }
  return rewrites;
}

}  // namespace scalekv::text
