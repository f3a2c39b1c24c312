#include "text/spiece_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/utf8.h"

namespace scalekv::text {
namespace {

constexpr std::size_t kMostPieces = 1'000'000;  // T5 has 32,000, its largest relative 250,000

// Walks over the fields of a Protocol Buffers message.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  // The next field; false at the end. Throws Error on damage.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    if (tag >> 3U == 0 || tag > std::numeric_limits<std::uint32_t>::max()) {
      refuse_model("a field has an impossible number");
    }
    number_ = tag >> 3U;
    type_ = static_cast<Type>(tag & 7U);
    switch (type_) {
      case Type::varint:
        value_ = varint();
        break;
      case Type::eight_bytes:
        bytes_ = cut(8);
        break;
      case Type::bytes:
        bytes_ = cut(varint());
        break;
      case Type::four_bytes:
        bytes_ = cut(4);
        break;
      default:
        refuse_model("a field is of an unknown type");
    }
    return true;
  }

  std::uint64_t number() const { return number_; }
  // The field's value. Throws Error where it is of another type.
  std::string_view bytes() const {
    require(Type::bytes);
    return bytes_;
  }
  std::uint64_t whole() const {
    require(Type::varint);
    return value_;
  }
  float real() const {
    require(Type::four_bytes);
    float value = 0.0F;
    std::memcpy(&value, bytes_.data(), sizeof value);
    return value;
  }

 private:
  enum class Type : std::uint8_t { varint = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };

  void require(Type type) const {
    if (type_ != type) refuse_model("a field is of a wrong type");
  }

  std::string_view cut(std::uint64_t count) {
    if (count > rest_.size()) refuse_model("it is cut short");
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
    refuse_model("a number is too long");
  }

  std::string_view rest_;
  std::uint64_t number_ = 0;
  Type type_ = Type::varint;
  std::uint64_t value_ = 0;
  std::string_view bytes_;
};

void read_piece(std::string_view message, SpieceModel& model) {
  constexpr std::uint64_t kText = 1, kScore = 2, kKind = 3;
  constexpr std::uint64_t kNormal = 1, kUnknown = 2, kControl = 3, kLastKind = 6;
  const auto id = static_cast<std::int32_t>(model.pieces.size());
  Piece piece{"", id, 0.0};
  std::uint64_t kind = kNormal;
  for (Fields fields(message); fields.next();) {
    if (fields.number() == kText) piece.text = fields.bytes();
    if (fields.number() == kScore) piece.score = fields.real();
    if (fields.number() == kKind) kind = fields.whole();
  }
  if (model.pieces.size() == kMostPieces) refuse_model("it has more than {} pieces", kMostPieces);
  if (piece.text.empty()) refuse_model("piece {} is empty", id);
  if (find_invalid_utf8(piece.text) != std::string_view::npos) refuse_model("piece {} is not UTF-8", id);
  if (piece.text.find('\0') != std::string::npos) refuse_model("piece {} holds a NUL", id);
  if (!std::isfinite(piece.score)) refuse_model("the score of piece {} is not finite", id);
  if (kind < kNormal || kind > kLastKind) refuse_model("piece {} is of an unknown kind", id);
  if (kind == kUnknown && model.unknown >= 0) refuse_model("pieces {} and {} are the unknown one", model.unknown, id);
  if (kind == kUnknown) model.unknown = id;
  if (kind == kControl) model.controls.push_back(id);
  model.pieces.push_back(std::move(piece));
}

void check_pieces(const SpieceModel& model) {
  if (model.pieces.empty()) refuse_model("it has no pieces");
  if (model.unknown < 0) refuse_model("it has no unknown piece");
  std::vector<const Piece*> sorted;
  for (const Piece& piece : model.pieces) sorted.push_back(&piece);
  std::sort(sorted.begin(), sorted.end(), [](const Piece* a, const Piece* b) { return a->text < b->text; });
  const auto twins = std::adjacent_find(sorted.begin(), sorted.end(),
                                        [](const Piece* a, const Piece* b) { return a->text == b->text; });
  if (twins != sorted.end()) {
    const auto [first, second] = std::minmax((*twins)->id, twins[1]->id);
    refuse_model("pieces {} and {} are alike", first, second);
  }
}

}  // namespace

SpieceModel read_spiece_model(std::string_view bytes) {
  constexpr std::uint64_t kPiece = 1, kTrainer = 2, kNormalizer = 3;
  constexpr std::uint64_t kAlgorithm = 3, kUnigram = 1;  // of the trainer
  constexpr std::uint64_t kRewrites = 2;                 // of the normalizer
  SpieceModel model;
  std::uint64_t algorithm = kUnigram;
  for (Fields fields(bytes); fields.next();) {
    if (fields.number() == kPiece) read_piece(fields.bytes(), model);
    if (fields.number() == kTrainer) {
      for (Fields spec(fields.bytes()); spec.next();) {
        if (spec.number() == kAlgorithm) algorithm = spec.whole();
      }
    }
    if (fields.number() == kNormalizer) {
      for (Fields spec(fields.bytes()); spec.next();) {
        if (spec.number() == kRewrites) model.rewrites = spec.bytes();
      }
    }
  }
  check_pieces(model);
  if (algorithm != kUnigram) fail("the tokenizer is not a unigram model; it is not one of T5");
  return model;
}

}  // namespace scalekv::text
