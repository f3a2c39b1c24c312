#include "distributed/manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/strict_json.h"

namespace scalekv::distributed {
namespace {

ManifestEntry parse_entry(std::string_view line, const std::string& where) {
  const nlohmann::json json = parse_strict_json(line, where);
  try {
    return {.file = json.at("file"),
            .prompt = json.at("prompt"),
            .seeds = json.at("seeds"),
            .settings = json.at("settings"),
            .sha256 = json.at("sha256")};
  } catch (const nlohmann::json::exception&) {
    fail("{}: this is not what scalekv sample writes; remove the line, and its picture is drawn again", where);
  }
}

std::string to_line(const ManifestEntry& entry) {
  const nlohmann::ordered_json json = {{"file", entry.file},
                                       {"prompt", entry.prompt},
                                       {"seeds", entry.seeds},
                                       {"settings", entry.settings},
                                       {"sha256", entry.sha256},
                                       {"seconds", entry.seconds},
                                       {"kv_bytes_peak", entry.kv_bytes_peak},
                                       {"kv_bytes_peak_full", entry.kv_bytes_peak_full}};
  return json.dump() + "\n";
}

}  // namespace

Manifest::Manifest(const std::filesystem::path& record) {
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(record, failed)) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with("manifest-") || !name.ends_with(".jsonl")) continue;
    const std::string content = read_file(file.path());
    int number = 0;
    for (const std::string_view line : whole_lines(content)) {
      ManifestEntry entry = parse_entry(line, fmt::format("{}, line {}", file.path().string(), ++number));
      std::string key = entry.file;
      entries_.emplace(std::move(key), std::move(entry));
    }
  }
  if (failed) fail("{} cannot be read: {}", record.string(), failed.message());
}

bool Manifest::is_whole(const RunFolder& folder, const dataset::Picture& picture) const {
  const auto [first, last] = entries_.equal_range(picture.file);
  if (first == last) return false;
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second.prompt == picture.prompt && entry->second.seeds == picture.seeds) continue;
    fail("{} was drawn from another prompt or seed ({}); the list of prompts was changed, so choose another folder",
         folder.picture(picture.file).string(), in_quotes(entry->second.prompt));
  }
  std::error_code failed;
  if (!std::filesystem::is_regular_file(folder.picture(picture.file), failed)) return false;
  const std::string bytes = read_file(folder.picture(picture.file));
  const std::string sha256 = sha256_of(std::as_bytes(std::span(bytes)));
  return std::any_of(first, last, [&](const auto& entry) { return entry.second.sha256 == sha256; });
}

std::vector<std::uint32_t> find_missing(const RunFolder& folder, Shard shard,
                                        const std::vector<dataset::Picture>& pictures) {
  const Manifest manifest(folder.record());
  std::vector<std::uint32_t> missing;
  for (std::size_t i = shard.index; i < pictures.size(); i += shard.count) {
    if (!manifest.is_whole(folder, pictures[i])) missing.push_back(static_cast<std::uint32_t>(i));
  }
  return missing;
}

ManifestWriter::ManifestWriter(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail("{} cannot be opened: {}", path.string(), std::strerror(errno));
  const std::string content = read_file(path);
  const auto whole = static_cast<off_t>(content.rfind('\n') + 1);  // npos + 1 is 0
  if (::ftruncate(descriptor_, whole) != 0 || ::lseek(descriptor_, whole, SEEK_SET) != whole) {
    fail("{} cannot be written: {}", path.string(), std::strerror(errno));
  }
}

ManifestWriter::~ManifestWriter() { ::close(descriptor_); }

void ManifestWriter::append(const ManifestEntry& entry) {
  const std::string line = to_line(entry);
  const off_t begin = ::lseek(descriptor_, 0, SEEK_CUR);
  const ssize_t written = ::write(descriptor_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return;
  const int reason = written < 0 ? errno : ENOSPC;
  const bool cut = ::ftruncate(descriptor_, begin) == 0 && ::lseek(descriptor_, begin, SEEK_SET) == begin;
  fail("{} cannot be written: {}{}", path_.string(), std::strerror(reason), cut ? "" : "; its last line is damaged");
}

}  // namespace scalekv::distributed
