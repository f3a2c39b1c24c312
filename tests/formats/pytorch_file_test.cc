#include "formats/pytorch_file.h"

#include <gtest/gtest.h>

#include <limits>

#include "formats/archives.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {
namespace {

using Parts = std::vector<std::string>;

std::string_view raw_bytes(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw()), static_cast<std::size_t>(tensor.bytes())};
}

// The same names, types, shapes and bytes.
void expect_same(const TensorSource& source, const TensorSource& twin) {
  ASSERT_EQ(source.tensors().size(), twin.tensors().size());
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorInfo& info = source.tensors()[i];
    const TensorInfo& expected = twin.tensors()[i];
    SCOPED_TRACE(expected.name);
    EXPECT_EQ(info.name, expected.name);
    EXPECT_EQ(info.dtype, expected.dtype);
    EXPECT_EQ(info.shape, expected.shape);
    EXPECT_EQ(info.bytes, expected.bytes);
    EXPECT_EQ(raw_bytes(source.load(info)), raw_bytes(twin.load(expected)));
  }
}

struct TwinCase {
  std::string file;
  std::string twin;
};

class Twins : public ::testing::TestWithParam<TwinCase> {};

TEST_P(Twins, EqualBitForBit) {
  expect_same(*open_tensor_source(data_file(GetParam().file)),
              *open_tensor_source(data_file(GetParam().twin + ".twin.safetensors")));
}

INSTANTIATE_TEST_SUITE_P(Files, Twins,
                         ::testing::Values(TwinCase{"dtypes.pth", "dtypes"}, TwinCase{"views.pth", "views"},
                                           TwinCase{"trainer.pth", "trainer"},
                                           TwinCase{"trainer-protocol4.pth", "trainer"},
                                           TwinCase{"shards-bin", "shards"}, TwinCase{"shards-safetensors", "shards"},
                                           TwinCase{"shards-bin/pytorch_model.bin.index.json", "shards"},
                                           TwinCase{"legacy.pth", "legacy"}));

TEST(PytorchFile, ContiguousTensorsAreNotCopied) {
  const auto source = open_tensor_source(data_file("views.pth"));
  const Tensor base = source->load(*source->find("base"));
  const Tensor row = source->load(*source->find("row"));
  EXPECT_EQ(row.raw(), static_cast<const float*>(base.raw()) + 16);
  EXPECT_EQ(source->load(*source->find("tied")).raw(), base.raw());
}

// The sentence that opening an archive fails with; "" where it opens.
std::string failure_of_pth(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("bad.pth", bytes);
  const std::string message = failure_of([&] {
    const auto source = open_tensor_source(path);
    for (const TensorInfo& info : source->tensors()) source->load(info);
  });
  EXPECT_TRUE(message.empty() || mentions(message, {"bad.pth"}));
  return message;
}

// Files of the format before version 1.6: three pickles, the tensors, the keys, the storages.
std::string legacy_bytes(std::string_view tensors, std::string_view keys, std::string_view storages) {
  const std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  return fmt::format("{}{}.{}.{}.{}.{}", magic, op::number(1001), "}", tensors, keys, storages);
}

TEST(LegacyPytorch, EveryCutIsNamed) {
  const std::string whole = read_file(data_file("legacy.pth"));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_NE(failure_of_pth(whole.substr(0, size)), "") << size;
}

TEST(LegacyPytorch, DictionariesOfPython2) {
  const std::string pair =
      fmt::format("(X{}w{}l", le<std::uint32_t>(1), op::tensor(op::storage("FloatStorage", "k", 1), 0, {1}, {1}));
  const std::string dict = op::call(op::global("collections", "OrderedDict"), fmt::format("({}l", pair));
  const std::string storage = le<std::int64_t>(1) + le(2.5F);
  const std::string keys = fmt::format("({}l", op::text("k"));
  EXPECT_EQ(failure_of_pth(legacy_bytes(dict, keys, storage)), "");
  EXPECT_TRUE(mentions(failure_of_pth(legacy_bytes(dict, "]", "")), {"\"w\"", "storage \"k\""}));
  EXPECT_TRUE(mentions(failure_of_pth(legacy_bytes(dict, "N", storage)), {"list of texts"}));
  EXPECT_TRUE(mentions(failure_of_pth(legacy_bytes(dict, fmt::format("({}l", op::text("z")), storage)),
                       {"\"z\"", "no tensor"}));
  const std::string lone = op::call(op::global("collections", "OrderedDict"), "((Nll");
  EXPECT_TRUE(mentions(failure_of_pth(legacy_bytes(lone, keys, storage)), {"pairs"}));
}

std::string failure_of_pickle(std::string_view opcodes) { return failure_of_pth(zip_bytes(torch_parts(opcodes))); }

TEST(HostilePickle, TheSoundOneOpens) {
  EXPECT_EQ(failure_of_pickle(op::dict("w", op::tensor(kStorage, 0, {2, 2}, {2, 1}))), "");
}

TEST(HostilePickle, CallsAreRefusedByName) {
  for (const auto& [module, name] :
       {std::pair("os", "system"), std::pair("posix", "system"), std::pair("builtins", "eval"),
        std::pair("subprocess", "Popen"), std::pair("torch", "load"), std::pair("__builtin__", "exec"),
        std::pair("torch._utils", "_rebuild_tensor_v2.__globals__")}) {
    const std::string quoted = fmt::format("\"{}.{}\"", module, name);
    EXPECT_TRUE(mentions(failure_of_pickle(op::call(op::global(module, name), op::text("true"))),
                         {quoted, "refused", "nothing was executed"}));
    const std::string by_stack = op::text(module) + op::text(name) + "\x93";
    EXPECT_TRUE(mentions(failure_of_pickle(op::call(by_stack, op::text("true"))), {quoted, "refused"}));
    EXPECT_TRUE(mentions(failure_of_pickle(op::dict("w", op::global(module, name))), {quoted, "refused"}) ||
                std::string_view(module) == "torch");
  }
}

TEST(HostilePickle, WhatIsNoOpcodeIsNamed) {
  for (const auto& [opcodes, name] : {std::pair("\xff", "0xff"), std::pair("N\x99", "0x99"), std::pair("?", "0x3f")}) {
    EXPECT_TRUE(mentions(failure_of_pickle(opcodes), {name, "refused", "byte "}));
  }
}

TEST(HostilePickle, SubclassesAreInertNames) {
  const std::string plain = op::arguments(kStorage, 0, {4}, {1});
  const auto wrapped = [&](std::string_view function, std::string_view type, std::string_view arguments) {
    return op::dict("w", op::call(op::global("torch._tensor", "_rebuild_from_type_v2"),
                                  fmt::format("{}{}{}}}", function, type, op::tuple(arguments))));
  };
  const std::string rebuild = op::global("torch._utils", "_rebuild_tensor_v2");
  EXPECT_EQ(failure_of_pickle(wrapped(rebuild, op::global("evil", "Subclass"), plain)), "");
  EXPECT_TRUE(mentions(failure_of_pickle(wrapped(op::global("os", "system"), op::global("a", "B"), op::text("true"))),
                       {"\"os.system\"", "refused"}));
  const std::string nested = op::global("torch._tensor", "_rebuild_from_type_v2");
  EXPECT_TRUE(mentions(failure_of_pickle(wrapped(nested, op::global("a", "B"), plain)), {"refused"}));
  EXPECT_TRUE(mentions(failure_of_pickle(op::call(nested, rebuild)), {"too few"}));
}

TEST(HostilePickle, AttributesOfGlobalsAreRefused) {
  EXPECT_TRUE(mentions(failure_of_pickle(op::global("os", "path") + "}b"), {"\"os.path\"", "refused"}));
  EXPECT_TRUE(mentions(failure_of_pickle("](}b"), {"more values"}));
  EXPECT_TRUE(mentions(failure_of_pickle("]}b"), {"refused"}));
}

TEST(HostilePickle, WindowsOutsideTheirStorageAreRefused) {
  const auto failure = [](std::int64_t offset, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides) {
    return failure_of_pickle(op::dict("w", op::tensor(kStorage, offset, shape, strides)));
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_TRUE(mentions(failure(0, {5}, {1}), {"[5]", "element 5", "storage of 4"}));
  EXPECT_TRUE(mentions(failure(1, {4}, {1}), {"element 5"}));
  EXPECT_TRUE(mentions(failure(0, {2}, {4}), {"element 5"}));
  EXPECT_TRUE(mentions(failure(-1, {4}, {1}), {"offset of -1"}));
  EXPECT_TRUE(mentions(failure(0, {-4}, {1}), {"-4"}));
  EXPECT_TRUE(mentions(failure(3, {4}, {-1}), {"-1"}));
  EXPECT_TRUE(mentions(failure(0, {2}, {kHuge}), {"element"}));
  EXPECT_TRUE(mentions(failure(0, {3}, {kHuge}), {"reaches past every address"}));
  EXPECT_TRUE(mentions(failure(std::numeric_limits<std::int64_t>::max(), {4}, {1}), {"reaches past every address"}));
  EXPECT_TRUE(mentions(failure(0, {kHuge, 4}, {0, 0}), {"more elements than can be counted"}));
  EXPECT_TRUE(mentions(failure(0, {1'000'000}, {0}), {"repeats"}));
  EXPECT_TRUE(mentions(failure(0, {4}, {1, 1}), {"2 strides"}));
  EXPECT_TRUE(mentions(failure(0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1}), {"7 dimensions"}));
  EXPECT_EQ(failure(4, {0}, {1}), "");
}

TEST(HostilePickle, StoragesMustBeThereAsDescribed) {
  const auto failure = [](std::string_view type, std::string_view key, std::int64_t elements) {
    return failure_of_pickle(op::dict("w", op::tensor(op::storage(type, key, elements), 0, {1}, {1})));
  };
  EXPECT_TRUE(mentions(failure("FloatStorage", "1", 4), {"\"w\"", "\"1\""}));
  EXPECT_TRUE(mentions(failure("FloatStorage", "../data/0", 4), {"\"w\"", "does not have"}));
  EXPECT_TRUE(mentions(failure("FloatStorage", "0", 5), {"\"w\"", "20 bytes", "16"}));
  EXPECT_TRUE(mentions(failure("FloatStorage", "0", std::int64_t{1} << 62), {"\"0\"", "damaged"}));
  EXPECT_TRUE(mentions(failure("FloatStorage", "0", -1), {"\"0\"", "-1"}));
  EXPECT_TRUE(mentions(failure("ComplexFloatStorage", "0", 2), {"torch.ComplexFloatStorage"}));
}

TEST(HostilePickle, FloodsAndDepthsAreRefused) {
  EXPECT_TRUE(mentions(failure_of_pickle(std::string(4'100'000, 'N')), {"opcodes"}));
  EXPECT_TRUE(mentions(failure_of_pickle(std::string(100'000, ')') + std::string(100'000, '\x85')), {"nested deeper"}));
  EXPECT_TRUE(mentions(failure_of_pickle("]q\1h\1a"), {"no tensors", "within itself"}));
  std::string bomb = "]q\1";
  for (char i = 1; i < 30; ++i) bomb += fmt::format("](h{0}h{0}eq{1}", i, static_cast<char>(i + 1));
  EXPECT_TRUE(mentions(failure_of_pickle(bomb), {"unfolds"}));
  const auto many = [](std::string_view items, int count) {
    std::string list = "](";
    for (int i = 0; i < count; ++i) list += items;
    return list + "e";
  };
  const std::string names = many(op::global("a", "B"), 1) +
                            "q\1"
                            "0" +
                            many("h\1", 600) +
                            "q\2"
                            "0" +
                            many("h\2", 600);
  EXPECT_TRUE(mentions(failure_of_pickle(op::dict(std::string(1024, 'k'), names)), {"unfolds", "bytes of names"}));
}

// What is named once and used often must not be copied each time.
TEST(HostilePickle, LargeThingsAreNotMultiplied) {
  std::string pairs = op::global("collections", "OrderedDict") + "q\1(";
  for (int i = 0; i < 100'000; ++i) pairs += "(K\1K\2l";
  pairs += "lq\2\x85q\3";
  for (int i = 0; i < 300'000; ++i) pairs += "h\1h\3R0";
  EXPECT_TRUE(mentions(failure_of_pickle(pairs), {"no tensors"}));
  const std::string name(10'000'000, 'a');
  std::string globals = op::text(name) + "q\1";
  for (int i = 0; i < 300'000; ++i)
    globals +=
        "h\1h\1\x93"
        "0";
  EXPECT_TRUE(mentions(failure_of_pickle(globals), {"20000000 bytes", "refused"}));
  std::string storages =
      "]q\1" +
      op::tuple(op::text("storage") + op::global("torch", "FloatStorage") + op::text(name) + op::text("cpu") + "K\1") +
      "q\2";
  for (int i = 0; i < 300'000; ++i) storages += "h\2Q0";
  EXPECT_TRUE(mentions(failure_of_pickle(storages + "N"), {"10000000 bytes", "damaged"}));
}

TEST(HostilePickle, DamageIsNamed) {
  for (const std::string& opcodes : Parts{"",
                                          "X\xff\xff\xff\xff",
                                          "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
                                          "t",
                                          "e",
                                          "a",
                                          "]a",
                                          "Na",
                                          "}(Nu",
                                          "h\1",
                                          "R",
                                          "NNR",
                                          "Q",
                                          "N\x93",
                                          "NN\x93",
                                          "cos",
                                          "G",
                                          "\x80\x09",
                                          ")Q",
                                          "NQ",
                                          "}NNs",
                                          "\x81",
                                          "N)\x81",
                                          "))}\x92",
                                          "(o",
                                          "(No",
                                          "K\1)R",
                                          "(ia\nb",
                                          "](K\1\x90",
                                          "(\x90",
                                          "\x91",
                                          "I\n",
                                          "Ix\n",
                                          "F1.5x\n",
                                          "S'a\n",
                                          "Sa\n",
                                          "gx\n",
                                          "Np-1\n",
                                          "Np4294967296\n",
                                          "2",
                                          "\x98",
                                          "\x82",
                                          "\x8b\xff\xff\xff\xff",
                                          "\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
                                          "\x96\xff\xff\xff\xff\xff\xff\xff\xff",
                                          "P"}) {
    EXPECT_NE(failure_of_pickle(opcodes), "") << opcodes;
  }
  const std::string tensor = op::tensor(kStorage, 0, {4}, {1});
  EXPECT_TRUE(mentions(failure_of_pickle(op::dict("w\n", tensor)), {"unusable name"}));
  EXPECT_TRUE(mentions(failure_of_pickle(tensor), {"unusable name"}));
  EXPECT_TRUE(
      mentions(failure_of_pickle("}(" + op::text("w") + tensor + op::text("w") + tensor + "u"), {"\"w\"", "twice"}));
  EXPECT_TRUE(mentions(failure_of_pickle("}"), {"no tensors"}));
  EXPECT_TRUE(
      mentions(failure_of_pickle(op::dict("w", op::call(op::global("torch._utils", "_rebuild_tensor_v2"), "N"))),
               {"not a storage"}));
}

std::vector<ZipPart> sound_parts() { return torch_parts(op::dict("w", op::tensor(kStorage, 0, {4}, {1}))); }

TEST(HostileZip, EntriesMustBeWhatTheySay) {
  const auto failure = [](const auto& change) {
    std::vector<ZipPart> parts = sound_parts();
    change(parts);
    return failure_of_pth(zip_bytes(parts));
  };
  EXPECT_EQ(failure([](auto&) {}), "");
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts[1].method = 8; }), {"\"a/data/0\"", "compressed"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts[1].flags = 1; }), {"\"a/data/0\"", "encrypted"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts[1].local_name = "a/data/9"; }), {"\"a/data/0\"", "two ways"}));
  EXPECT_TRUE(
      mentions(failure([](auto& parts) { parts[1].stored = parts[1].size = 12; }), {"\"a/data/0\"", "two ways"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts[1].size = 1U << 30U; }), {"\"a/data/0\"", "stored in 16"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts[1].stored = parts[1].size = 1U << 30U; }), {"\"a/data/0\""}));
  EXPECT_TRUE(mentions(failure([](auto& parts) {
                         parts[1].stored = parts[1].size = 0xffffffff;
                         parts[1].extra = std::string("\1\0\x10\0", 4) + std::string(16, '\xff');
                       }),
                       {"\"a/data/0\""}));
  EXPECT_TRUE(mentions(failure([](auto& parts) {
                         parts[1].stored = parts[1].size = 0xffffffff;
                         parts[1].extra = std::string("\1\0\x04\0abcd", 8);
                       }),
                       {"\"a/data/0\"", "ends"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts.push_back(parts[1]); }), {"\"a/data/0\"", "twice"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) {
                         parts.push_back(parts[1]);
                         parts[2].same_as = 1;
                       }),
                       {"\"a/data/0\"", "overlap"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts.erase(parts.begin()); }), {"no data.pkl"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts.push_back({.name = "b/data.pkl", .data = "."}); }),
                       {"two pickles", "\"b/data.pkl\""}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts.push_back({.name = "a/byteorder", .data = "big"}); }),
                       {"byte order", "big"}));
  EXPECT_TRUE(mentions(failure([](auto& parts) { parts.push_back({.name = "a/constants.pkl", .data = "."}); }),
                       {"TorchScript"}));
}

TEST(HostileZip, DirectoriesMustBeWhole) {
  const std::string sound = zip_bytes(sound_parts());
  EXPECT_TRUE(mentions(failure_of_pth(zip_bytes(sound_parts(), 1)), {"zip directory", "ends"}));
  EXPECT_EQ(failure_of_pth(sound.substr(0, sound.size() - 2) + le<std::uint16_t>(7) + "comment"), "");
  EXPECT_NE(failure_of_pth(sound + "rest"), "");
  for (std::size_t size = 4; size < sound.size(); ++size) {
    EXPECT_NE(failure_of_pth(sound.substr(0, size)), "") << size;
  }
}

TEST(HostileZip, EveryChangedByteIsHarmless) {
  const std::string sound = zip_bytes(sound_parts());
  for (std::size_t i = 0; i < sound.size(); ++i) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bytes = sound;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      failure_of_pth(bytes);  // opens or fails by name; a sanitizer sees the rest
    }
  }
}

// An archive whose figures stand in zip64 records, as those of 4 GiB and more.
TEST(PytorchFile, Zip64) {
  std::vector<ZipPart> parts = sound_parts();
  for (ZipPart& part : parts) {
    part.extra = std::string("\1\0\x10\0", 4) + le<std::uint64_t>(part.size) + le<std::uint64_t>(part.size);
    part.stored = part.size = 0xffffffff;
  }
  std::string bytes = zip_bytes(parts);
  const std::size_t end = bytes.size() - 22;
  std::uint32_t size = 0;
  std::uint32_t offset = 0;
  std::memcpy(&size, bytes.data() + end + 12, 4);
  std::memcpy(&offset, bytes.data() + end + 16, 4);
  const std::string record = std::string("PK\6\6") + le<std::uint64_t>(44) + std::string(12, '\0') +
                             le<std::uint64_t>(2) + le<std::uint64_t>(2) + le<std::uint64_t>(size) +
                             le<std::uint64_t>(offset);
  const auto locator = [&](std::uint64_t at) {
    return std::string("PK\6\7") + std::string(4, '\0') + le(at) + le<std::uint32_t>(1);
  };
  const std::string saturated =
      std::string("PK\5\6") + std::string(4, '\0') + std::string(12, '\xff') + le<std::uint16_t>(0);
  EXPECT_EQ(failure_of_pth(bytes.substr(0, end) + record + locator(end) + saturated), "");
  EXPECT_TRUE(
      mentions(failure_of_pth(bytes.substr(0, end) + record + locator(~std::uint64_t{0}) + saturated), {"zip64"}));
  EXPECT_TRUE(mentions(failure_of_pth(bytes.substr(0, end) + record + locator(0) + saturated), {"zip64"}));
  EXPECT_TRUE(mentions(failure_of_pth(bytes.substr(0, end) + saturated), {"large archive"}));
}

}  // namespace
}  // namespace scalekv::formats
