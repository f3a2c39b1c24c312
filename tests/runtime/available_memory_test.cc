#include "runtime/available_memory.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/file.h"

namespace scalekv {
namespace {

// A system of our own below a temporary folder.
class AvailableMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ =
        std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    write_file(root_ / file, text);
  }
  std::int64_t available() const { return available_memory(root_); }

  std::filesystem::path root_;
};

TEST_F(AvailableMemory, IsUnlimitedWhereNothingIsKnown) {
  EXPECT_EQ(available(), std::numeric_limits<std::int64_t>::max());
}

TEST_F(AvailableMemory, IsWhatTheSystemHas) {
  put("proc/meminfo", "MemTotal:       9000 kB\nMemFree:        1 kB\nMemAvailable:   5000 kB\nBuffers: 2 kB\n");
  EXPECT_EQ(available(), 5000 * 1024);
}

TEST_F(AvailableMemory, IsBelowTheTightestGroupOfVersion2) {
  put("proc/meminfo", "MemAvailable: 5000 kB\n");
  put("proc/self/cgroup", "0::/a/b\n");
  put("sys/fs/cgroup/a/b/memory.max", "max\n");
  put("sys/fs/cgroup/a/b/memory.current", "1\n");
  EXPECT_EQ(available(), 5000 * 1024);
  put("sys/fs/cgroup/a/memory.max", "3000000\n");
  put("sys/fs/cgroup/a/memory.current", "1000000\n");
  EXPECT_EQ(available(), 2000000);
  put("sys/fs/cgroup/a/memory.stat", "anon 700000\nfile 300000\ninactive_file 200000\n");
  EXPECT_EQ(available(), 2200000);
  put("sys/fs/cgroup/a/b/memory.max", "10\n");
  EXPECT_EQ(available(), 9);
  put("sys/fs/cgroup/a/b/memory.current", "11\n");
  EXPECT_EQ(available(), 0);
}

TEST_F(AvailableMemory, IsBelowTheLimitOfVersion1) {
  put("proc/meminfo", "MemAvailable: 5000 kB\n");
  put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/on/the/host\nodd line\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1500\n");
  EXPECT_EQ(available(), 2500);
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // how version 1 says "none"
  EXPECT_EQ(available(), 5000 * 1024);
}

TEST(AvailableMemoryHere, IsSomething) { EXPECT_GT(available_memory(), 0); }

}  // namespace
}  // namespace scalekv
