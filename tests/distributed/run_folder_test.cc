#include "distributed/run_folder.h"

#include <gtest/gtest.h>

#include <optional>
#include <type_traits>

#include "base/sha256.h"
#include "distributed/manifest.h"
#include "distributed/work_queue.h"
#include "formats/files.h"
#include "support/failure.h"

namespace scalekv::distributed {
namespace {

using testing::failure_of;

bool says(const std::string& sentence, std::string_view part) { return sentence.find(part) != std::string::npos; }

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string hash_of(std::string_view text) { return sha256_of(as_bytes(text)); }

TEST(Shards, AreReadStrictly) {
  EXPECT_EQ(parse_shard("1/3").index, 1U);
  EXPECT_EQ(parse_shard("1/3").count, 3U);
  EXPECT_TRUE(parse_shard("1/3").holds(7));
  EXPECT_FALSE(parse_shard("1/3").holds(8));
  for (const char* text : {"", "1", "3/3", "/3", "1/", "1/0", "-1/3", "a/3", "1/3x", "1 1/3", "1/99999999", "0/0"}) {
    EXPECT_THROW(static_cast<void>(parse_shard(text)), UsageError) << text;
  }
}

class RunFolders : public ::testing::Test {
 protected:
  RunFolder made(Shard shard, int rank = 0) const {
    RunFolder folder(folder_ / "out", shard, rank);
    folder.make();
    return folder;
  }

  formats::TemporaryFolder folder_;
};

TEST_F(RunFolders, PicturesAreWholeOrNotThere) {
  const RunFolder folder = made({});
  folder.write("a/b.png", as_bytes("picture"));
  EXPECT_EQ(read_file(folder_ / "out/a/b.png"), "picture");
  std::filesystem::create_directory(folder_ / "out/c.png");
  EXPECT_TRUE(says(failure_of([&] { folder.write("c.png", as_bytes("x")); }), "c.png cannot be written"));
  // Nothing but pictures in the one folder, nothing half-written in the other.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "out"), {}), 2);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "out.run"), {}), 0);
}

TEST_F(RunFolders, TheNameMayEndInASlash) {
  EXPECT_EQ(RunFolder(folder_ / "out/", {}, 0).record(), folder_ / "out.run");
  EXPECT_EQ(RunFolder(folder_ / "x/../out/.", {}, 0).record(), folder_ / "out.run");
  EXPECT_THROW(RunFolder("/", {}, 0), UsageError);
}

TEST_F(RunFolders, FilesOfNobodysRunAreLeftAlone) {
  std::filesystem::create_directory(folder_ / "out");
  folder_.write("out/holiday.png", "x");
  EXPECT_TRUE(says(failure_of([&] { made({}); }), "is not empty"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.run"));
  folder_.write("file", "x");
  EXPECT_TRUE(says(failure_of([&] { RunFolder(folder_ / "file", {}, 0).make(); }), "cannot be made"));
}

TEST_F(RunFolders, ShardsOfOneRunWorkTogetherAndNobodyElse) {
  const RunFolder first = made({0, 2});
  std::optional<std::vector<FileLock>> locks = first.lock();
  EXPECT_TRUE(says(failure_of([&] { static_cast<void>(first.lock()); }), "another run of shard 0/2"));
  {
    const auto second = made({1, 2}).lock();
    EXPECT_TRUE(says(failure_of([&] { static_cast<void>(made({0, 1}).lock()); }), "of 2 shards instead of 1"));
    EXPECT_TRUE(says(failure_of([&] { static_cast<void>(made({2, 3}).lock()); }), "of 2 shards instead of 3"));
  }
  locks.reset();
  EXPECT_NO_THROW(static_cast<void>(made({0, 1}).lock()));
}

TEST_F(RunFolders, SettingsMayNotBeMixed) {
  const RunFolder folder = made({});
  const std::string hash = folder.agree({{"policy", "full"}, {"cfg", "3"}});
  EXPECT_EQ(made({1, 2}).agree({{"cfg", "3"}, {"policy", "full"}}), hash);
  const std::string sentence = failure_of([&] {
    folder.agree({{"policy", "scalekv"}, {"budget", "10%"}, {"cfg", "3"}});
  });
  EXPECT_TRUE(says(sentence, "budget was nothing and is 10%; policy was full and is scalekv")) << sentence;
  write_file(folder_ / "out.run/settings.json", "{\"format\": ");
  EXPECT_TRUE(says(failure_of([&] { folder.agree({}); }), "settings.json is not valid JSON"));
  write_file(folder_ / "out.run/settings.json", "{\"format\": \"scalekv.sample\", \"settings\": [1]}");
  EXPECT_TRUE(says(failure_of([&] { folder.agree({}); }), "not what scalekv sample writes"));
}

class Manifests : public RunFolders {
 protected:
  void draw(const RunFolder& folder, std::size_t picture, std::string_view bytes) {
    folder.write(pictures_[picture].file, as_bytes(bytes));
    ManifestWriter(folder.manifest())
        .append({pictures_[picture].file, pictures_[picture].prompt, pictures_[picture].seeds, "s", hash_of(bytes)});
  }

  std::vector<std::uint32_t> missing(Shard shard = {}) { return find_missing(made(shard), shard, pictures_); }

  std::vector<dataset::Picture> pictures_ = {{"0.png", "a", {0}}, {"1.png", "b\n\"", {1}}, {"2.png", "c", {2, 3}}};
};

using Numbers = std::vector<std::uint32_t>;

TEST_F(Manifests, TellWhatIsMissingOrDamaged) {
  EXPECT_EQ(missing(), (Numbers{0, 1, 2}));
  EXPECT_EQ(missing({1, 2}), Numbers{1});
  // Two shards and two ranks, read together.
  draw(made({0, 2}), 0, "zero");
  draw(made({1, 2}, 3), 1, "one");
  EXPECT_EQ(missing(), Numbers{2});
  // A picture that was written but not recorded is drawn again.
  made({}).write("2.png", as_bytes("two"));
  EXPECT_EQ(missing(), Numbers{2});
  draw(made({}), 2, "two");
  EXPECT_EQ(missing(), Numbers{});
  write_file(folder_ / "out/1.png", "on");
  std::filesystem::remove(folder_ / "out/2.png");
  EXPECT_EQ(missing(), (Numbers{1, 2}));
  // Drawn again on a machine whose arithmetic differs, it is whole again.
  draw(made({}), 1, "One");
  EXPECT_EQ(missing(), Numbers{2});
}

TEST_F(Manifests, OtherPromptsAreRefused) {
  draw(made({}), 0, "zero");
  pictures_[0].prompt = "another";
  EXPECT_TRUE(says(failure_of([&] { missing(); }), "0.png was drawn from another prompt or seed (\"a\")"));
  pictures_[0] = {"0.png", "a", {5}};
  EXPECT_TRUE(says(failure_of([&] { missing(); }), "another prompt or seed"));
}

TEST_F(Manifests, ACutLineIsForgottenAndADamagedOneNamed) {
  const RunFolder folder = made({});
  draw(folder, 0, "zero");
  const std::string line = read_file(folder.manifest());
  write_file(folder.manifest(), line + line.substr(0, 20));
  EXPECT_EQ(missing(), (Numbers{1, 2}));
  draw(folder, 1, "one");  // cuts it off first
  EXPECT_EQ(missing(), Numbers{2});
  write_file(folder.manifest(), line + "{\"file\": 7}\n");
  EXPECT_TRUE(says(failure_of([&] { missing(); }), "line 2"));
  write_file(folder.manifest(), "rubbish\n");
  EXPECT_TRUE(says(failure_of([&] { missing(); }), "line 1 is not valid JSON"));
}

TEST(Queue, HandsOutEachJobOnce) {
  WorkQueue queue;
  EXPECT_TRUE(queue.next(false).wait);
  queue.fill({4, 7});
  EXPECT_EQ(queue.next(false).job, 4U);
  EXPECT_EQ(queue.next(true).job, 7U);
  EXPECT_EQ(queue.done(), 1U);
  const WorkQueue::Answer last = queue.next(true);
  EXPECT_FALSE(last.wait);
  EXPECT_FALSE(last.job);
  EXPECT_EQ(queue.done(), 2U);
  EXPECT_EQ(queue.total(), 2U);
}

TEST(Queue, AFailureEndsItAndTheFirstOneStays) {
  WorkQueue queue;
  queue.close({Failure::Kind::usage, "first"});
  queue.close({Failure::Kind::error, "second"});
  EXPECT_FALSE(queue.next(false).wait);  // nobody waits for jobs that never come
  queue.fill({1});
  EXPECT_FALSE(queue.next(false).job);
  ASSERT_TRUE(queue.failure());
  EXPECT_THROW(queue.failure()->raise(), UsageError);
  EXPECT_EQ(queue.failure()->message, "first");
}

TEST(Failures, KeepTheirKind) {
  const auto kind_of = [](const auto& action) {
    try {
      action();
    } catch (...) {
      return Failure::current();
    }
    return Failure();
  };
  EXPECT_THROW(kind_of([] { throw Cancelled(); }).raise(), Cancelled);
  static_assert(!std::is_base_of_v<Error, Cancelled>, "a handler of errors must not take a cancelled run for one");
  EXPECT_THROW(kind_of([] { throw UsageError("x"); }).raise(), UsageError);
  EXPECT_EQ(kind_of([] { throw std::logic_error("x"); }).message, "x");
  EXPECT_TRUE(says(kind_of([] { throw std::bad_alloc(); }).message, "out of memory"));
}

}  // namespace
}  // namespace scalekv::distributed
