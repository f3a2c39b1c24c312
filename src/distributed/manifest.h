// Which pictures of a run are whole: one JSON object a line, appended once the picture is written.
//   {"file": "0007.png", "prompt": "...", "seeds": [7], "settings": "<SHA-256>", "sha256": "<of the file>",
//    "seconds": 0.2, "kv_bytes_peak": 1449984, "kv_bytes_peak_full": 7299072}
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "dataset/picture_list.h"
#include "distributed/run_folder.h"

namespace scalekv::distributed {

struct ManifestEntry {
  std::string file;
  std::string prompt;
  std::vector<std::uint64_t> seeds;
  std::string settings;
  std::string sha256;
  // How it was drawn, for reports.
  double seconds = 0.0;
  std::int64_t kv_bytes_peak = 0;       // the largest of its images
  std::int64_t kv_bytes_peak_full = 0;  // with the full cache
};

// Every process of a run appends to a file of its own, and all are read together.
class Manifest {
 public:
  // Reads all manifests of a run. A last line that was cut short is left out. Throws Error naming file and line where
  // one is damaged.
  explicit Manifest(const std::filesystem::path& record);

  // Whether the picture is recorded and its file has the bytes it had. Throws Error where it is recorded with another
  // prompt or other seeds: the list of prompts was changed.
  bool is_whole(const RunFolder& folder, const dataset::Picture& picture) const;

 private:
  // By file; a picture that was damaged and drawn again has several.
  std::multimap<std::string, ManifestEntry> entries_;
};

// Numbers of the shard's pictures that are missing or damaged.
std::vector<std::uint32_t> find_missing(const RunFolder& folder, Shard shard,
                                        const std::vector<dataset::Picture>& pictures);

// Appends to a process's own manifest.
class ManifestWriter {
 public:
  // Cuts off a last line that is not whole. Throws Error naming the file.
  explicit ManifestWriter(const std::filesystem::path& path);
  ~ManifestWriter();
  ManifestWriter(const ManifestWriter&) = delete;
  ManifestWriter& operator=(const ManifestWriter&) = delete;

  // Throws Error naming the file; then nothing of the entry is left in it.
  void append(const ManifestEntry& entry);

 private:
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace scalekv::distributed
