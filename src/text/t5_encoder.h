// The T5 v1.1 encoder (Raffel et al., arXiv 1910.10683; gated GELU as in flan-t5). Only real positions are computed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/weight_map.h"
#include "kernels/linear.h"
#include "model/t5_config.h"
#include "runtime/tap.h"
#include "runtime/tensor.h"

namespace scalekv::text {

class T5Encoder {
 public:
  // Takes the encoder's tensors (names as Hugging Face's T5EncoderModel: shared.weight, encoder.block.0...); matrices
  // are held as `type`. Throws Error where one is missing or has another shape.
  T5Encoder(const model::T5Config& config, formats::WeightMap& weights, WeightType type = WeightType::f32);

  const model::T5Config& config() const { return config_; }

  // ids: [n], n >= 1 -> features [n, width]. Throws Error on an id outside the vocabulary.
  Tensor encode(std::span<const std::int32_t> ids, const Tap& tap = {}) const;

 private:
  struct Layer {
    Tensor attention_norm;  // [width]
    kernels::Linear query, key, value, attention_out;
    Tensor feed_forward_norm;  // [width]
    kernels::Linear gate, up, down;
  };

  // [length, width]
  Tensor embed(std::span<const std::int32_t> ids) const;
  // [heads, 2 length - 1]: what T5 adds to the scores for each distance from query to key, 1 - length first.
  Tensor position_bias(std::int64_t length) const;

  model::T5Config config_;
  Tensor embedding_;   // [vocabulary, width], in the file's own type
  Tensor bias_table_;  // [buckets, heads]
  Tensor final_norm_;  // [width]
  std::vector<Layer> layers_;
};

}  // namespace scalekv::text
