// The config.json that lies beside a published text encoder.
#pragma once

#include <filesystem>

#include "model/t5_config.h"

namespace scalekv::model {

// Compares what it says with what the tensors tell and what this encoder computes (positions, norm, activation, of
// which no tensor tells). Throws Error naming file, entry and both values where they differ. Absent entries are passed
// over.
void check_published_config(const T5Config& config, const std::filesystem::path& path);

}  // namespace scalekv::model
