#include "text/spiece_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support/failure.h"
#include "text/fixtures.h"

namespace scalekv::text {
namespace {

using testing::failure_of;

// Fields of a Protocol Buffers message: bytes (fewer than 128 * 128 of them), a small number, a real number.
std::string field(int number, const std::string& bytes) {
  const auto size = bytes.size();
  return std::string{static_cast<char>((number << 3) | 2), static_cast<char>((size & 0x7F) | 0x80),
                     static_cast<char>(size >> 7)} +
         bytes;
}
std::string field(int number, int value) { return {static_cast<char>(number << 3), static_cast<char>(value)}; }
std::string field(int number, float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return static_cast<char>((number << 3) | 5) + bytes;
}

constexpr int kNormal = 1, kUnknown = 2, kControl = 3;

std::string piece(const std::string& text, float score = 0.0F, int kind = kNormal) {
  return field(1, field(1, text) + field(2, score) + field(3, kind));
}

const std::string kUnk = piece("<unk>", 0.0F, kUnknown);

// A model's normalizer.
std::string normalizer(const std::string& rewrites) { return field(3, field(2, rewrites)); }

std::string fault_of_model(const std::string& model) {
  return failure_of([&] { read_spiece_model(model); });
}

TEST(SpieceModel, PiecesAreRead) {
  // The kind and the score of the last are left out; fields that are not read are passed over.
  const std::string bytes = piece("<pad>", 0.0F, kControl) + kUnk + piece("\u2581a", -1.5F) + field(9, 3) +
                            field(1, field(1, "b") + field(7, "new")) + field(2, field(3, 1) + field(4, 100));
  const SpieceModel model = read_spiece_model(bytes);
  ASSERT_EQ(model.pieces.size(), 4U);
  EXPECT_EQ(model.pieces[2].text, "\u2581a");
  EXPECT_EQ(model.pieces[2].id, 2);
  EXPECT_EQ(model.pieces[2].score, -1.5);
  EXPECT_EQ(model.pieces[3].text, "b");
  EXPECT_EQ(model.pieces[3].score, 0.0);
  EXPECT_EQ(model.controls, std::vector<std::int32_t>{0});
  EXPECT_EQ(model.unknown, 1);
  EXPECT_EQ(model.rewrites, "");
}

TEST(SpieceModel, SoundModelsPass) {
  EXPECT_EQ(fault_of_model(read_fixture("spiece.model")), "");
  EXPECT_EQ(fault_of_model(read_fixture("odd.model")), "");
}

TEST(SpieceModel, UnsoundPiecesAreRefused) {
  const auto refused = [](const std::string& model, const std::string& why) {
    EXPECT_EQ(fault_of_model(model),
              "the tokenizer is not a sound SentencePiece model (" + why + "); download spiece.model again");
  };
  refused("", "it has no pieces");
  refused(normalizer(""), "it has no pieces");
  refused(piece("a"), "it has no unknown piece");
  refused(kUnk + piece("?", 0.0F, kUnknown), "pieces 0 and 1 are the unknown one");
  refused(kUnk + piece(""), "piece 1 is empty");
  refused(kUnk + field(1, field(2, 1.0F)), "piece 1 is empty");
  refused(kUnk + piece("a") + piece("b") + piece("a"), "pieces 1 and 3 are alike");
  refused(kUnk + piece("<unk>"), "pieces 0 and 1 are alike");
  refused(kUnk + piece("\xC3"), "piece 1 is not UTF-8");
  refused(kUnk + piece(std::string("a\0", 2)), "piece 1 holds a NUL");
  refused(kUnk + piece("a", std::numeric_limits<float>::quiet_NaN()), "the score of piece 1 is not finite");
  refused(kUnk + piece("a", -std::numeric_limits<float>::infinity()), "the score of piece 1 is not finite");
  refused(kUnk + piece("a", 0.0F, 7), "piece 1 is of an unknown kind");
  refused(kUnk + piece("a", 0.0F, 0), "piece 1 is of an unknown kind");
}

TEST(SpieceModel, HugeModelsAreRefused) {
  std::string many = kUnk;
  const std::string one = piece("a");
  for (int i = 0; i < 1'000'000; ++i) many += one;
  EXPECT_NE(fault_of_model(many).find("more than 1000000 pieces"), std::string::npos);
}

TEST(SpieceModel, DamagedFieldsAreRefused) {
  const std::string sound = kUnk + piece("a");
  EXPECT_EQ(fault_of_model(sound), "");
  EXPECT_NE(fault_of_model(sound.substr(0, sound.size() - 1)).find("cut short"), std::string::npos);
  EXPECT_NE(fault_of_model(sound + "\x0A").find("cut short"), std::string::npos);
  EXPECT_NE(fault_of_model(sound + "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01").find("cut short"),
            std::string::npos);
  EXPECT_NE(fault_of_model(sound + std::string(11, '\xFF')).find("too long"), std::string::npos);
  EXPECT_NE(fault_of_model(sound + std::string(1, '\0')).find("impossible number"), std::string::npos);
  EXPECT_NE(fault_of_model(sound + "\x0B").find("unknown type"), std::string::npos);
  for (const std::string& wrong : {field(1, 1), field(1, field(1, 1)), field(1, field(2, 1)), field(1, field(3, 1.0F)),
                                   field(2, 1), field(2, field(3, "")), field(3, 1), field(3, field(2, 1))}) {
    EXPECT_NE(fault_of_model(sound + wrong).find("wrong type"), std::string::npos);
  }
}

TEST(SpieceModel, OtherAlgorithmsAreRefused) {
  EXPECT_EQ(fault_of_model(kUnk + field(2, field(3, 1))), "");
  for (const int algorithm : {2, 3, 4}) {
    EXPECT_EQ(fault_of_model(kUnk + field(2, field(3, algorithm))),
              "the tokenizer is not a unigram model; it is not one of T5");
  }
}

// The last table counts, and a denormalizer's is not the one; a number written with superfluous bytes is that number.
TEST(SpieceModel, HandsOutTheRewrites) {
  const std::string first = normalizer("first"), second = normalizer("second");
  EXPECT_EQ(read_spiece_model(kUnk + first + second + field(5, field(2, "other"))).rewrites, "second");
  const std::string longer = std::string("\x9A\x00", 2) + second.substr(1);
  EXPECT_EQ(read_spiece_model(kUnk + first + longer).rewrites, "second");
  const std::string wrapped = std::string("\x9A\x80\x80\x80\x10", 5) + second.substr(1);
  EXPECT_NE(fault_of_model(kUnk + first + wrapped).find("impossible number"), std::string::npos);
}

}  // namespace
}  // namespace scalekv::text
