#include "formats/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "formats/files.h"
#include "formats/safetensors_writer.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {
namespace {

using Parts = std::vector<std::string>;

struct HostileCase {
  std::string name;
  std::string bytes;
  Parts mentioned;  // besides the file's name
};

std::string zeros(std::size_t count) { return std::string(count, '\0'); }

// One tensor "w" described by `entry`, and `data` zero bytes.
std::string one(std::string_view entry, std::size_t data = 16) {
  return safetensors_bytes(fmt::format(R"({{"w":{}}})", entry), zeros(data));
}

std::string announcing(std::uint64_t length, std::string_view rest) {
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes.append(rest);
}

std::vector<HostileCase> hostile_cases() {
  const std::string sound = R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})";
  return {
      {"Empty", "", {"is empty"}},
      {"FiveBytes", "\1\2\3\4\5", {}},
      {"HeaderCutShort", announcing(1000, "{\"w\":"), {"1000 bytes", "holds only 5"}},
      {"HeaderOversized", announcing(std::uint64_t{1} << 62, "{}"), {}},
      {"HeaderNotJson", safetensors_bytes("{\"w\": nonsense}", ""), {"not valid JSON"}},
      {"HeaderCutInside", safetensors_bytes("{\"w\": {\"dtype\"", ""), {"not valid JSON"}},
      {"NestedDeeply",
       safetensors_bytes(std::string("{\"w\":") + std::string(100'000, '[') + std::string(100'000, ']') + "}", ""),
       {"nested deeper"}},
      {"NameTwice", safetensors_bytes(fmt::format(R"({{"w":{0},"w":{0}}})", sound), zeros(16)), {"\"w\"", "twice"}},
      {"NameWithControls",
       safetensors_bytes(fmt::format(R"({{"w\u001b[2J":{}}})", sound), zeros(16)),
       {"\\u001b", "unusable name"}},
      {"EntryNotObject", one("17"), {"\"w\"", "JSON object"}},
      {"DtypeMissing", one(R"({"shape":[4],"data_offsets":[0,16]})"), {"\"w\"", "\"dtype\""}},
      {"DtypeUnknown", one(R"({"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]})"), {"\"w\"", "F8_E4M3"}},
      {"DtypeNumber", one(R"({"dtype":4,"shape":[4],"data_offsets":[0,16]})"), {"\"w\"", "element type"}},
      {"ShapeNegative", one(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})"), {"\"w\"", "-4"}},
      {"ShapeFraction", one(R"({"dtype":"F32","shape":[4.0],"data_offsets":[0,16]})"), {"\"w\"", "4.0"}},
      {"ShapeText", one(R"({"dtype":"F32","shape":"4","data_offsets":[0,16]})"), {"\"w\"", "shape"}},
      {"ShapeOverflows",
       one(R"({"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]})"),
       {"\"w\"", "4294967296"}},
      {"ShapeHuge", one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,16]})"), {"\"w\""}},
      {"RankSeven", one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,4],"data_offsets":[0,16]})"), {"\"w\"", "7 dimensions"}},
      {"LengthMismatch", one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})"), {"\"w\"", "12 bytes", "16"}},
      {"OffsetsReversed", one(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})"), {"\"w\"", "before"}},
      {"OffsetsPastEnd", one(R"({"dtype":"F32","shape":[4],"data_offsets":[16,32]})"), {"\"w\"", "32", "only 16"}},
      {"OffsetsNegative", one(R"({"dtype":"F32","shape":[4],"data_offsets":[-16,0]})"), {"\"w\"", "-16"}},
      {"OffsetsThree", one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16,16]})"), {"\"w\"", "two numbers"}},
      {"DataCutShort", one(sound, 15), {"\"w\"", "only 15"}},
      {"DataLeftOver", one(sound, 17), {"17 bytes", "16"}},
      {"Gap", one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})"), {"\"w\"", "gap"}},
      {"Overlap",
       safetensors_bytes(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},)"
                         R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
                         zeros(16)),
       {"\"b\"", "overlapping"}},
      {"MetadataNotObject", safetensors_bytes(R"({"__metadata__":[]})", ""), {"__metadata__"}},
      {"MetadataNotStrings", safetensors_bytes(R"({"__metadata__":{"a":1}})", ""), {"\"a\"", "not a string"}},
      {"MetadataNotUtf8", safetensors_bytes("{\"__metadata__\":{\"a\":\"\xff\xfe\"}}", ""), {"not valid JSON"}},
      {"HeaderList", announcing(2, "[]"), {}},
      {"GitLfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", {}},
      {"WebPage", "<!DOCTYPE html><html><body>Not found</body></html>", {}},
  };
}

class HostileSafetensors : public ::testing::TestWithParam<HostileCase> {};

TEST_P(HostileSafetensors, RefusedByName) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("bad.safetensors", GetParam().bytes);
  Parts parts = GetParam().mentioned;
  parts.push_back("bad.safetensors");
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(path); }), parts));
}

INSTANTIATE_TEST_SUITE_P(Files, HostileSafetensors, ::testing::ValuesIn(hostile_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Safetensors, WhatIsNoFileIsRefusedByName) {
  const TemporaryFolder folder;
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(folder / "absent.safetensors"); }),
                       {"absent.safetensors", "No such file"}));
  const std::filesystem::path pipe = folder / "pipe.safetensors";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(pipe); }), {"pipe.safetensors", "not a regular file"}));
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source("/dev/zero"); }), {"/dev/zero", "not a regular file"}));
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(folder.path()); }), {folder.path().string()}));
}

TEST(Safetensors, EmptyTensorsScalarsAndPaddingAreFine) {
  const TemporaryFolder folder;
  const std::string header = R"({"none":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},)"
                             R"("one":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}      )";
  const auto source =
      open_tensor_source(folder.write("a.safetensors", safetensors_bytes(header, bytes_of<float>({2.5F}))));
  ASSERT_EQ(source->tensors().size(), 2U);
  EXPECT_EQ(source->load(*source->find("none")).elements(), 0);
  EXPECT_EQ(*source->load(*source->find("one")).view<float>().data(), 2.5F);
  EXPECT_EQ(source->find("two"), nullptr);
}

TEST(Safetensors, UnalignedTensorsAreCopiedAndEqual) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  const auto source = open_tensor_source(
      folder.write("a.safetensors", safetensors_bytes(header, std::string("x") + bytes_of<float>({1.5F, -3.0F}))));
  const Tensor tensor = source->load(*source->find("b"));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.raw()) % alignof(float), 0U);
  EXPECT_EQ(tensor.view<float>()(0), 1.5F);
  EXPECT_EQ(tensor.view<float>()(1), -3.0F);
}

TEST(Safetensors, TensorsOutliveTheirSource) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "a.safetensors",
      safetensors_bytes(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", bytes_of<float>({7.0F})));
  auto source = open_tensor_source(path);
  const Tensor tensor = source->load(source->tensors().front());
  source.reset();
  EXPECT_EQ(tensor.view<float>()(0), 7.0F);
}

TEST(SafetensorsWriter, RoundTrip) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "out.safetensors";
  const std::vector<TensorInfo> infos = {{.name = "b", .dtype = DType::bf16, .shape = {2, 2}},
                                         {.name = "a", .dtype = DType::u8, .shape = {3}},
                                         {.name = "nothing", .dtype = DType::f32, .shape = {0}}};
  const std::map<std::string, std::string> metadata = {{"config", "{\"a\": \"\xc3\xa9\"}"}, {"format", "test"}};
  const std::string data = bytes_of<std::uint16_t>({1, 2, 3, 0x7fc0}) + "xyz";
  SafetensorsWriter writer(path, infos, metadata);
  writer.append(std::as_bytes(std::span(data).first(5)));  // pieces need not follow the tensors
  writer.append(std::as_bytes(std::span(data).subspan(5)));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  const auto source = open_tensor_source(path);
  EXPECT_EQ(source->metadata(), metadata);
  ASSERT_EQ(source->tensors().size(), 3U);
  const Tensor b = source->load(*source->find("b"));
  EXPECT_EQ(b.dtype(), DType::bf16);
  EXPECT_EQ(b.shape(), Shape({2, 2}));
  EXPECT_EQ(std::string_view(static_cast<const char*>(b.raw()), 8), data.substr(0, 8));
  const Tensor a = source->load(*source->find("a"));
  EXPECT_EQ(std::string_view(static_cast<const char*>(a.raw()), 3), "xyz");
  EXPECT_EQ(folder.files(), 1U);
}

TEST(SafetensorsWriter, AnAbortedWriterLeavesTheOldFileAndNoOther) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("out.safetensors", "old");
  const std::string message = failure_of([&] {
    SafetensorsWriter writer(path, {{.name = "w", .dtype = DType::f32, .shape = {2}}}, {});
    writer.append(std::as_bytes(std::span("1234", 4)));
    fail("stop");
  });
  EXPECT_EQ(message, "stop");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(folder.files(), 1U);
}

TEST(SafetensorsWriter, RefusesWhatItCouldNotReadBack) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "out.safetensors";
  const TensorInfo sound{.name = "w", .dtype = DType::f32, .shape = {2}};
  const auto failure = [&](const std::vector<TensorInfo>& infos, const std::map<std::string, std::string>& metadata) {
    return failure_of([&] { SafetensorsWriter(path, infos, metadata); });
  };
  EXPECT_TRUE(mentions(failure({sound, sound}, {}), {"out.safetensors", "\"w\"", "twice"}));
  EXPECT_TRUE(mentions(failure({{.name = "", .shape = {1}}}, {}), {"out.safetensors", "unusable name"}));
  EXPECT_TRUE(mentions(failure({{.name = "__metadata__", .shape = {1}}}, {}), {"__metadata__", "unusable name"}));
  EXPECT_TRUE(mentions(failure({sound}, {{"a", "\xff"}}), {"out.safetensors", "UTF-8"}));
  EXPECT_TRUE(mentions(failure_of([&] { SafetensorsWriter(folder / "absent/out.safetensors", {sound}, {}); }),
                       {"absent/out.safetensors", "No such file"}));
  EXPECT_EQ(folder.files(), 0U);
}

}  // namespace
}  // namespace scalekv::formats
