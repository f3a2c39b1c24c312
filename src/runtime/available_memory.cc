#include "runtime/available_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace scalekv {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();

// The number after `key` at the start of a line ("MemAvailable: 123 kB", "inactive_file 123").
std::optional<std::int64_t> read_entry(const fs::path& file, const std::string& key) {
  std::ifstream stream(file);
  std::string name;
  std::int64_t value = 0;
  while (stream >> name) {
    if (name == key && stream >> value) return value;
    stream.clear();
    stream.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return {};
}

// A file that holds one number; nothing where it holds a word ("max") or is not there.
std::optional<std::int64_t> read_number(const fs::path& file) {
  std::ifstream stream(file);
  std::int64_t value = 0;
  if (stream >> value) return value;
  return {};
}

// Names that a control group's files have in one of the two versions.
struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* reclaimable;  // entry of memory.stat: file pages that the system takes back when it needs to
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};

// The least that is left in the group at `path` below `mount` and in the groups around it. In a container, the path may
// be one of the host's, which is not there; the mount itself then is the process's group.
std::int64_t left_in_groups(const fs::path& mount, const std::string& path, const GroupFiles& files) {
  std::int64_t least = kUnknown;
  for (fs::path group = fs::path(path).relative_path();; group = group.parent_path()) {
    const fs::path folder = mount / group;
    const auto limit = read_number(folder / files.limit);
    const auto usage = read_number(folder / files.usage);
    if (limit && usage) {
      const std::int64_t reclaimable = read_entry(folder / "memory.stat", files.reclaimable).value_or(0);
      least = std::min(least, std::max<std::int64_t>(*limit - (*usage - reclaimable), 0));
    }
    if (group.empty()) return least;
  }
}

}  // namespace

std::int64_t available_memory(const fs::path& root) {
  std::int64_t least = kUnknown;
  if (const auto kilobytes = read_entry(root / "proc/meminfo", "MemAvailable:")) least = *kilobytes * 1024;
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;  // "0::/user.slice", or in version 1 "4:memory:/user.slice"
  while (std::getline(groups, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const std::string path = line.substr(second + 1);
    const fs::path mount = root / "sys/fs/cgroup";
    if (controllers == ",,") least = std::min(least, left_in_groups(mount, path, kVersion2));
    if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, left_in_groups(mount / "memory", path, kVersion1));
    }
  }
  return least;
}

void return_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace scalekv
