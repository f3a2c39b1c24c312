#include "study/sample_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/strict_json.h"

namespace scalekv::study {
namespace {

std::string read_settings(const std::filesystem::path& path) {
  const nlohmann::json json = parse_strict_json(read_file(path), path.string());
  if (!json.is_object() || !json.contains("settings") || !json["settings"].is_object()) {
    fail("{} is not what scalekv sample writes; move it away to go on without it", path.string());
  }
  std::string text;
  for (const char* key : {"policy", "budget"}) {
    const nlohmann::json& settings = json["settings"];
    if (!settings.contains(key)) continue;
    const nlohmann::json& value = settings[key];
    text += (text.empty() ? "" : ", ") + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

// Sums over the pictures of a run whose manifests tell time and bytes; a last line that was cut short is left out.
class Totals {
 public:
  void read(const std::filesystem::path& manifest) {
    const std::string content = read_file(manifest);
    for (const std::string_view line : whole_lines(content)) {
      add(parse_strict_json(line, manifest.string()), manifest);
    }
  }

  void write(SampleRecord& record) const {
    if (pictures_ == 0) return;
    record.seconds = seconds_ / static_cast<double>(pictures_);
    record.kv_bytes_peak = kv_;
    record.kv_bytes_peak_full = kv_full_;
  }

 private:
  void add(const nlohmann::json& picture, const std::filesystem::path& manifest) {
    if (!picture.contains("seconds")) return;  // of an earlier version
    try {
      seconds_ += picture.at("seconds").get<double>();
      kv_ = std::max(kv_, picture.at("kv_bytes_peak").get<std::int64_t>());
      kv_full_ = std::max(kv_full_, picture.at("kv_bytes_peak_full").get<std::int64_t>());
      ++pictures_;
    } catch (const nlohmann::json::exception&) {
      fail("{} is not what scalekv sample writes; move it away to go on without it", manifest.string());
    }
  }

  double seconds_ = 0.0;
  std::int64_t pictures_ = 0, kv_ = 0, kv_full_ = 0;
};

}  // namespace

SampleRecord read_sample_record(const std::filesystem::path& folder) {
  std::filesystem::path run = folder.has_filename() ? folder : folder.parent_path();
  run += ".run";
  SampleRecord record;
  if (!std::filesystem::exists(run / "settings.json")) return record;
  record.settings = read_settings(run / "settings.json");
  Totals totals;
  for (const auto& file : std::filesystem::directory_iterator(run)) {
    const std::string name = file.path().filename().string();
    if (name.starts_with("manifest-") && name.ends_with(".jsonl")) totals.read(file.path());
  }
  totals.write(record);
  return record;
}

}  // namespace scalekv::study
