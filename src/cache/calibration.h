// Calibration files: what `scalekv calibrate` measured of a model, as JSON (docs/FORMATS.md).
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "base/settings.h"
#include "cache/attention_statistics.h"

namespace scalekv::cache {

struct Calibration {
  std::string model;         // name of the model
  std::int64_t prompts = 0;  // prompts it was measured on
  AttentionStatistics statistics;
  // How it was measured, and the SHA-256 of the prompts (prompts_sha256), for whoever goes on measuring. Empty where
  // the file does not say: it can be used, but nothing can be added to it.
  Settings settings = {};
  std::string prompts_sha256 = {};

  // Throws Error unless the model has these layers and heads.
  void check_model(const CacheGeometry& geometry) const;
  // Says which scales of a picture were not measured; empty where all were.
  std::string scales_missing(const CacheGeometry& geometry) const;
  // Throws Error in both cases.
  void check_fits(const CacheGeometry& geometry) const;
};

// Of prompts in their order.
std::string prompts_sha256(std::span<const std::string> prompts);

std::string to_json(const Calibration& calibration);
// `where` names the text in errors. Throws Error with what is wrong and at which scale.
Calibration parse_calibration(const std::string& json, const std::string& where);
Calibration read_calibration(const std::filesystem::path& path);

}  // namespace scalekv::cache
