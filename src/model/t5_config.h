// The sizes of a T5 encoder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "formats/weight_map.h"

namespace scalekv::model {

// Checkpoints hold the token embeddings under either of two names, or under both.
inline constexpr std::string_view kSharedEmbedding = "shared.weight", kOwnEmbedding = "encoder.embed_tokens.weight";

struct T5Config {
  std::int64_t layers = 0;
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t head_size = 0;
  std::int64_t feed_forward = 0;
  std::int64_t vocabulary = 0;
  std::int64_t buckets = 32;
  std::int64_t max_distance = 128;
  double epsilon = 1e-6;  // of the norms
  std::string_view embedding = kSharedEmbedding;
};

// Reads the sizes off the tensors' shapes. Throws Error naming what does not fit together.
T5Config infer_t5_config(const formats::WeightMap& weights);

// Compares the config.json that lies beside a published encoder with what the tensors tell and what this encoder
// computes (positions, norm, activation, of which no tensor tells). Throws Error naming file, entry and both values
// where they differ. Absent entries are passed over.
void check_published_config(const T5Config& config, const std::filesystem::path& path);

}  // namespace scalekv::model
