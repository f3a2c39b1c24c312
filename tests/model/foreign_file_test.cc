// Files that are no model though they lie under a model's name: what they are, and what to do.
#include <gtest/gtest.h>

#include "formats/archives.h"
#include "formats/tensor_source.h"
#include "model/bundle.h"

namespace scalekv::formats {
namespace {

using Parts = std::vector<std::string>;

constexpr std::string_view kPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 9449455616\n";
constexpr std::string_view kPage = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>";

struct ForeignCase {
  std::string name;
  std::string bytes;
  Parts mentioned;
};

std::vector<ForeignCase> foreign_files() {
  const auto zip = [](std::initializer_list<const char*> names) {
    std::vector<ZipPart> parts;
    // Compressed, as everything but PyTorch's own files is.
    for (const char* name : names) parts.push_back({.name = name, .data = "data", .method = 8});
    return zip_bytes(parts);
  };
  std::string tar(512, '\0');
  tar.replace(0, 5, "a.pth").replace(257, 5, "ustar");
  return {
      {"Empty", "", {"is empty", "again"}},
      {"Pointer", std::string(kPointer), {"git lfs pull"}},
      {"Page", std::string(kPage), {"web page", "link", "log in"}},
      {"PageOfLowerCase", "\xef\xbb\xbf\r\n  <html lang=\"en\">", {"web page"}},
      {"ErrorPageOfAStore", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", {"web page"}},
      {"Message", "Entry not found", {"text", "Entry not found", "link"}},
      {"MessageAsJson", "{\"error\":\"Repository not found\"}", {"text", "Repository not found"}},
      {"Index", "{\"weight_map\": {\"w\": \"model-00001-of-00002.safetensors\"}}", {"index", "folder"}},
      {"Zeros", std::string(100'000, '\0'), {"zeros", "again"}},
      {"Gguf", std::string("GGUF\3\0\0\0\0\0\0\0", 12), {"GGUF", ".pth or .safetensors"}},
      {"Ggml", "lmgg12345678", {"GGML", ".pth or .safetensors"}},
      {"Onnx", std::string("\x08\x07\x12\x07pytorch\x1a\0", 13), {"ONNX", ".pth or .safetensors"}},
      {"Hdf5", std::string("\x89HDF\r\n\x1a\n\0\0\0\0", 12), {"HDF5", "Keras"}},
      {"TensorFlowLite", std::string("\x1c\0\0\0TFL3\0\0\0\0", 12), {"TensorFlow Lite"}},
      {"NumpyArray", std::string("\x93NUMPY\1\0v\0{'descr'", 18), {"NumPy array"}},
      {"Gzip", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10), {"gzip", "unpack"}},
      {"Bzip2", "BZh91AY&SY", {"bzip2", "unpack"}},
      {"Xz",
       std::string("\xfd"
                   "7zXZ\0\0\4",
                   8),
       {"xz", "unpack"}},
      {"Zstd", "\x28\xb5\x2f\xfd\x24", {"zstd", "unpack"}},
      {"SevenZip", "7z\xbc\xaf\x27\x1c\3\4", {"7z", "unpack"}},
      {"Tar", tar, {"tar archive", "unpack"}},
      {"PlainPickle", pickle_bytes(op::dict("a", "K\1")), {"pickle", "torch.save"}},
      {"PlainPickleOfProtocol0", "(dp0\nVa\nI1\ns.", {"pickle", "torch.save"}},
      {"TorchScript", zip({"m/constants.pkl", "m/data.pkl", "m/code/__torch__.py"}), {"TorchScript", "state_dict"}},
      {"OlderTorchScript", zip({"m/attributes.pkl", "m/model.json", "m/code/m.py"}), {"TorchScript", "state_dict"}},
      {"TorchExport",
       zip({"m/archive_format", "m/data/sample_inputs/model.pt", "m/models/model.json"}),
       {"torch.export", "state_dict"}},
      {"ZipOfAModel",
       zip({"readme.txt", "weights/infinity_2b_reg.pth"}),
       {"unpack", "\"weights/infinity_2b_reg.pth\""}},
      {"ZipOfArrays", zip({"mu.npy", "sigma.npy"}), {"NumPy archive"}},
      {"Keras", zip({"config.json", "model.weights.h5"}), {"Keras"}},
      {"OtherZip", zip({"a.docx"}), {"no data.pkl"}},
      {"CompressedPyTorchFile", zip({"m/data.pkl", "m/data/0"}), {"\"m/data.pkl\"", "compressed", "torch.save"}},
      {"CutZip", zip({"m/data.pkl", "m/data/0"}).substr(0, 80), {"cut short", "download it again"}},
      {"Nothing", "\x01\x02\x03\x04\xfe\xff\x80\x81", {"neither a .safetensors", "download"}},
  };
}

class ForeignFile : public ::testing::TestWithParam<ForeignCase> {};

TEST_P(ForeignFile, IsNamedWithAdvice) {
  const TemporaryFolder folder;
  for (const char* name : {"model.pth", "model.safetensors", "model.bin"}) {
    const auto path = folder.write(name, GetParam().bytes);
    Parts parts = GetParam().mentioned;
    parts.push_back(path.string());
    const std::string message = failure_of([&] { open_tensor_source(path); });
    EXPECT_TRUE(mentions(message, parts));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ForeignFile, ::testing::ValuesIn(foreign_files()),
                         [](const auto& info) { return info.param.name; });

TEST(ForeignFolder, PointersAndPagesAreNamedWhereverTheyLie) {
  const TemporaryFolder folder;
  const auto failure = [&] { return failure_of([&] { open_tensor_source(folder.path()); }); };
  folder.write("model-00001-of-00002.safetensors", kPointer);
  EXPECT_TRUE(mentions(failure(), {"model-00001-of-00002.safetensors", ".index.json"}));
  folder.write("model.safetensors.index.json", kPage);
  EXPECT_TRUE(mentions(failure(), {"index.json", "web page"}));
  folder.write("model.safetensors.index.json", kPointer);
  EXPECT_TRUE(mentions(failure(), {"index.json", "git lfs pull"}));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"w":"model-00001-of-00002.safetensors"}})");
  EXPECT_TRUE(mentions(failure(), {"model-00001-of-00002.safetensors", "git lfs pull"}));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"w":"model-00002-of-00002.safetensors"}})");
  EXPECT_TRUE(mentions(failure(), {"model-00002-of-00002.safetensors", "not there"}));
}

TEST(ForeignFolder, ATokenizerThatIsAPointerIsNamed) {
  const TemporaryFolder folder;
  folder.write(
      "model.safetensors",
      safetensors_bytes(R"({"encoder.final_layer_norm.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                        le(1.0F)));
  folder.write("spiece.model", kPointer);
  EXPECT_TRUE(mentions(failure_of([&] { model::open_bundle({.text_encoder = folder.path()}); }),
                       {"spiece.model", "git lfs pull"}));
}

// A shard may hold what cannot be read as long as nobody asks for it.
TEST(ForeignFolder, ThingsInShardsArePassedOver) {
  const TemporaryFolder folder;
  const std::string sound = op::tensor(op::storage("FloatStorage", "0", 4), 0, {4}, {1});
  const std::string other = op::tensor(op::storage("ComplexFloatStorage", "0", 2), 0, {2}, {1});
  folder.write("s.bin", zip_bytes(torch_parts("}(" + op::text("w") + sound + op::text("f") + other + "u")));
  folder.write("pytorch_model.bin.index.json", R"({"weight_map":{"w":"s.bin","f":"s.bin"}})");
  const auto source = open_tensor_source(folder.path());
  EXPECT_EQ(source->tensors().size(), 1U);
  ASSERT_EQ(source->passed_over().size(), 1U);
  EXPECT_EQ(source->passed_over()[0].name, "f");
}

}  // namespace
}  // namespace scalekv::formats
