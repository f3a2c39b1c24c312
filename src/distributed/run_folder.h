// The folder of a run's pictures, OUT, and what the run remembers of itself, in OUT.run beside it: scorers take
// whatever lies in OUT, and a half-written picture must not.
//   OUT.run/settings.json              what every picture was drawn with
//   OUT.run/manifest-I-of-N-rank-R.jsonl  the pictures that are whole (manifest.h), one file a process
//   OUT.run/lock, lock-I               held while shards are at work
//   OUT.run/part-I-of-N-rank-R         the file that a process is writing
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/settings.h"
#include "distributed/shard.h"

namespace scalekv::distributed {

// A file that is locked for as long as this lives, also against processes on other machines where the file system can.
class FileLock {
 public:
  enum class Kind { shared, exclusive };

  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

  // False where another process holds it. Throws Error where it cannot be locked at all.
  bool try_lock(Kind kind);
  std::string content() const;
  void set_content(const std::string& text);

 private:
  std::filesystem::path path_;
  int descriptor_;
};

class RunFolder {
 public:
  // Names the folders and touches nothing. `rank` is the number of the process within its shard.
  RunFolder(const std::filesystem::path& out, Shard shard, int rank);

  // Makes both folders. Throws Error where they cannot be made, and where OUT holds files of nobody's run.
  void make() const;
  // Keeps other runs out until the result is destroyed; other shards of the same run may work. Throws Error where
  // another run, or the same shard, is at work.
  std::vector<FileLock> lock() const;
  // Remembers the settings, or compares them with those of the pictures that are there. Throws Error naming what
  // differs. Returns their hash.
  std::string agree(const Settings& settings) const;

  // The settings of the run that the folder holds; none where there is no run, or none that can be read.
  Settings recorded() const;

  // Writes OUT/file, whole or not at all. Throws Error naming it.
  void write(const std::string& file, std::span<const std::byte> bytes) const;

  std::filesystem::path picture(const std::string& file) const { return out_ / file; }
  const std::filesystem::path& out() const { return out_; }
  const std::filesystem::path& record() const { return record_; }
  std::filesystem::path manifest() const { return record_ / ("manifest-" + process_ + ".jsonl"); }

 private:
  std::filesystem::path out_;
  std::filesystem::path record_;
  Shard shard_;
  std::string process_;  // "0-of-4-rank-2"
};

}  // namespace scalekv::distributed
