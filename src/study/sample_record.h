// What `scalekv sample` wrote down beside a folder of pictures (FOLDER.run): for reports on folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace scalekv::study {

struct SampleRecord {
  std::string settings;           // "scalekv, 10%"; empty where nobody wrote them down
  std::optional<double> seconds;  // a picture, on average
  // Keys and values at their peak, the current map included, and those of a full cache: of the largest picture.
  std::optional<std::int64_t> kv_bytes_peak;
  std::optional<std::int64_t> kv_bytes_peak_full;
};

// Empty where there is no such record. Throws Error where there is one that cannot be understood.
SampleRecord read_sample_record(const std::filesystem::path& folder);

}  // namespace scalekv::study
