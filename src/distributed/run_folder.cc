#include "distributed/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/strict_json.h"

namespace scalekv::distributed {
namespace {

void make_folder(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) fail("{} cannot be made: {}", path.string(), failed.message());
  if (!std::filesystem::is_directory(path)) fail("{} is not a folder", path.string());
  if (::access(path.c_str(), W_OK) != 0) fail("{} cannot be written to: {}", path.string(), std::strerror(errno));
}

std::string to_json(const Settings& settings) {
  return nlohmann::json{{"format", "scalekv.sample"}, {"format_version", 1}, {"settings", settings}}.dump(2) + "\n";
}

Settings read_settings(const std::filesystem::path& path) {
  const nlohmann::json json = parse_strict_json(read_file(path), path.string());
  if (json.is_object() && json.value("format", "") == "scalekv.sample" && json.contains("settings")) {
    try {
      return json["settings"].get<Settings>();
    } catch (const nlohmann::json::exception&) {  // said below
    }
  }
  fail("{} is not what scalekv sample writes; choose another output folder", path.string());
}

// Writes the file unless there is one: of several processes that try, one does.
void create_once(const std::filesystem::path& path, const std::filesystem::path& beside, const std::string& text) {
  write_file(beside, text);
  const int linked = ::link(beside.c_str(), path.c_str());
  const int reason = errno;
  std::error_code ignored;
  // Some file systems have no links; there, renaming has to do.
  if (linked != 0 && reason != EEXIST && !std::filesystem::exists(path)) std::filesystem::rename(beside, path, ignored);
  std::filesystem::remove(beside, ignored);
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail("{} cannot be opened: {}", path.string(), std::strerror(errno));
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileLock::FileLock(FileLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

bool FileLock::try_lock(Kind kind) {
  if (::flock(descriptor_, (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  fail("{} cannot be locked: {}; put the output on a file system that knows flock", path_.string(),
       std::strerror(errno));
}

std::string FileLock::content() const {
  std::string text(64, '\0');
  const ssize_t length = ::pread(descriptor_, text.data(), text.size(), 0);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

void FileLock::set_content(const std::string& text) {
  const bool written = ::ftruncate(descriptor_, 0) == 0 &&
                       ::pwrite(descriptor_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (!written) fail("{} cannot be written: {}", path_.string(), std::strerror(errno));
}

RunFolder::RunFolder(const std::filesystem::path& out, Shard shard, int rank)
    : out_(std::filesystem::absolute(out).lexically_normal()),
      shard_(shard),
      process_(fmt::format("{}-of-{}-rank-{}", shard.index, shard.count, rank)) {
  if (!out_.has_filename()) out_ = out_.parent_path();
  if (!out_.has_filename()) fail_usage("{} cannot be the output folder; name a folder in it", out_.string());
  record_ = out_;
  record_ += ".run";
}

void RunFolder::make() const {
  std::error_code ignored;
  const bool known = std::filesystem::exists(record_);
  if (!known && std::filesystem::is_directory(out_) && !std::filesystem::is_empty(out_, ignored)) {
    fail("{} is not empty, and there is no {} that would tell what was drawn in it; choose another output folder",
         out_.string(), record_.string());
  }
  make_folder(out_);
  make_folder(record_);
}

std::vector<FileLock> RunFolder::lock() const {
  std::vector<FileLock> locks;
  // All shards hold `lock` together; it says how many there are, which can change only while nobody holds it.
  locks.emplace_back(record_ / "lock");
  FileLock& common = locks.back();
  const std::string count = fmt::format("{}", shard_.count);
  constexpr int kAttempts = 100;  // another shard may be writing the number just now
  for (int attempt = 0;; ++attempt) {
    if (common.try_lock(FileLock::Kind::exclusive)) common.set_content(count);
    if (common.try_lock(FileLock::Kind::shared)) break;
    if (attempt == kAttempts) fail("another run is at work in {}; wait for it or choose another folder", out_.string());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (common.content() != count) {
    fail("another run, of {} shards instead of {}, is at work in {}; wait for it or choose another folder",
         common.content(), count, out_.string());
  }
  locks.emplace_back(record_ / fmt::format("lock-{}", shard_.index));
  if (!locks.back().try_lock(FileLock::Kind::exclusive)) {
    fail("another run of shard {} is at work in {}; wait for it or choose another folder", shard_.describe(),
         out_.string());
  }
  return locks;
}

std::string RunFolder::agree(const Settings& settings) const {
  const std::filesystem::path path = record_ / "settings.json";
  const std::string text = to_json(settings);
  if (!std::filesystem::exists(path)) create_once(path, record_ / ("settings-" + process_), text);
  const std::string different = differences(read_settings(path), settings);
  if (!different.empty()) {
    fail("{} holds pictures drawn with other settings ({}); choose another folder or the same settings", out_.string(),
         different);
  }
  return sha256_of(std::as_bytes(std::span(text)));
}

Settings RunFolder::recorded() const {
  const std::filesystem::path path = record_ / "settings.json";
  try {
    return std::filesystem::exists(path) ? read_settings(path) : Settings();
  } catch (const Error&) {  // agree() says why
    return {};
  }
}

void RunFolder::write(const std::string& file, std::span<const std::byte> bytes) const {
  const std::filesystem::path path = picture(file);
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  if (failed) fail("{} cannot be made: {}", path.parent_path().string(), failed.message());
  write_file(path, record_ / ("part-" + process_), bytes);
}

}  // namespace scalekv::distributed
