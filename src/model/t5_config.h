// The sizes of a T5 encoder.
#pragma once

#include <cstdint>
#include <string>

#include "formats/weight_map.h"

namespace scalekv::model {

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
};

// Reads the sizes off the tensors' shapes. Throws Error naming what does not fit together.
T5Config infer_t5_config(const formats::WeightMap& weights);

// The tensor of token embeddings: checkpoints hold it under either of two names, or under both.
std::string embedding_name(const formats::WeightMap& weights);

// Marks the decoder half, and an embedding that is there twice.
void ignore_t5_leftovers(formats::WeightMap& weights);

}  // namespace scalekv::model
