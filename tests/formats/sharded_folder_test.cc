#include "formats/sharded_folder.h"

#include <gtest/gtest.h>

#include "formats/files.h"

namespace scalekv::formats {
namespace {

const std::string kShard =
    safetensors_bytes(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", bytes_of<float>({1.0F}));

std::string index_of(std::string_view tensor, std::string_view file) {
  return fmt::format(R"({{"weight_map":{{"{}":"{}"}}}})", tensor, file);
}

// The sentence that a folder with this index and a sound shard s.safetensors fails with.
std::string failure_of_index(const std::string& index) {
  const TemporaryFolder folder;
  folder.write("s.safetensors", kShard);
  folder.write("model.safetensors.index.json", index);
  return failure_of([&] { open_tensor_source(folder.path()); });
}

TEST(ShardedFolder, NamesMustNotLeaveTheFolder) {
  EXPECT_EQ(failure_of_index(index_of("w", "s.safetensors")), "");
  for (const std::string_view file :
       {"../s.safetensors", "/etc/passwd", "a/../s.safetensors", "..", ".", "", "..\\\\s", "s\\u0000x"}) {
    EXPECT_TRUE(mentions(failure_of_index(index_of("w", file)), {"index.json", "\"w\"", "refused"})) << file;
  }
}

TEST(ShardedFolder, IndexAndShardsMustAgree) {
  EXPECT_TRUE(mentions(failure_of_index(index_of("v", "s.safetensors")), {"index.json", "\"v\"", "s.safetensors"}));
  EXPECT_TRUE(mentions(failure_of_index(index_of("w", "t.safetensors")),
                       {"index.json", "\"w\"", "t.safetensors", "not there"}));
  EXPECT_TRUE(mentions(failure_of_index(R"({"weight_map":{"w":"s.safetensors","w":"s.safetensors"}})"),
                       {"index.json", "\"w\"", "twice"}));
  EXPECT_TRUE(mentions(failure_of_index(R"({"weight_map":{"w":1}})"), {"index.json", "\"w\""}));
  for (const std::string_view index : {"{}", "[]", "7", R"({"weight_map":[]})", R"({"weight_map":{}})", "{", ""}) {
    EXPECT_TRUE(mentions(failure_of_index(std::string(index)), {"index.json"})) << index;
  }
  EXPECT_TRUE(mentions(failure_of_index(index_of("w", "model.safetensors.index.json")),
                       {"index.json", "is the index of a model"}));
}

TEST(ShardedFolder, LinksOfTheHubsCacheAreFollowedAndOthersFailByName) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "blobs");
  std::filesystem::create_directories(folder / "snapshot");
  folder.write("blobs/0123", kShard);
  std::filesystem::create_symlink("../blobs/0123", folder / "snapshot/model.safetensors");
  EXPECT_EQ(open_tensor_source(folder / "snapshot")->tensors().size(), 1U);
  std::filesystem::remove(folder / "snapshot/model.safetensors");
  std::filesystem::create_symlink("/dev/zero", folder / "snapshot/model.safetensors");
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(folder / "snapshot"); }),
                       {"model.safetensors", "not a regular file"}));
  std::filesystem::remove(folder / "snapshot/model.safetensors");
  std::filesystem::create_symlink("model.safetensors", folder / "snapshot/model.safetensors");
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(folder / "snapshot"); }), {"snapshot", "no model"}));
}

TEST(ShardedFolder, ShardsOfAnIndexMayBeLinksToo) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "blobs");
  std::filesystem::create_directories(folder / "snapshot");
  folder.write("blobs/0123", kShard);
  folder.write("snapshot/model.safetensors.index.json", index_of("w", "s.safetensors"));
  const auto failure_with_link_to = [&](const char* target) {
    std::filesystem::remove(folder / "snapshot/s.safetensors");
    std::filesystem::create_symlink(target, folder / "snapshot/s.safetensors");
    return failure_of([&] { open_tensor_source(folder / "snapshot"); });
  };
  EXPECT_EQ(failure_with_link_to("../blobs/0123"), "");
  EXPECT_TRUE(mentions(failure_with_link_to("/dev/zero"), {"s.safetensors", "not a regular file"}));
  EXPECT_TRUE(mentions(failure_with_link_to("s.safetensors"), {"index.json", "\"w\"", "s.safetensors", "not there"}));
  EXPECT_TRUE(mentions(failure_with_link_to("../blobs"), {"s.safetensors", "not a regular file"}));
}

TEST(ShardedFolder, AFolderWithoutAModelSaysWhatIsExpected) {
  const TemporaryFolder folder;
  EXPECT_TRUE(mentions(failure_of([&] { open_tensor_source(folder.path()); }),
                       {folder.path().string(), "model.safetensors", "pytorch_model.bin"}));
}

}  // namespace
}  // namespace scalekv::formats
