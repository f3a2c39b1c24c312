// Text features -> what steers the transformer: one vector a sequence (start token and modulation) and the memory that
// cross-attention reads.
#pragma once

#include <span>
#include <vector>

#include "formats/weight_map.h"
#include "kernels/linear.h"
#include "model/infinity_config.h"
#include "runtime/tap.h"
#include "runtime/tensor.h"

namespace scalekv::infinity {

// Texts of R sequences one after another, without padding: text r is rows offsets[r] .. offsets[r + 1] - 1.
struct RaggedText {
  Tensor features;                    // [N, text width], as the text encoder gives them
  std::vector<std::int64_t> offsets;  // R + 1 entries

  std::int64_t sequences() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
};

struct Condition {
  Tensor vector;                      // [R, C]: start token and condition
  Tensor modulation;                  // [R, 6 C]: shared adaptive layer norm: gamma 1, 2, scale 1, 2, shift 1, 2
  Tensor memory;                      // [N, C]: what cross-attention reads
  std::vector<std::int64_t> offsets;  // R + 1 entries
};

class Conditioning {
 public:
  // Takes text_norm, text_proj_for_sos, text_proj_for_ca, shared_ada_lin and cfg_uncond.
  Conditioning(const model::InfinityConfig& config, formats::WeightMap& weights);

  // Conditional texts, then as many unconditional ones: `negative[i]` where given (not empty), else the learned
  // unconditional rows, as many as text i has. guided = false leaves the second half out.
  // Each text: [length, text width], 1 <= length <= text_max. Throws Error on other shapes.
  RaggedText join_texts(std::span<const View<const float>> texts, std::span<const View<const float>> negative,
                        bool guided) const;

  // Stages for the tap: "txt.text_norm_out", "txt.cond_BD", "txt.ca_kv", "txt.cond_gss".
  Condition run(const RaggedText& text, const Tap& tap = {}) const;

 private:
  model::InfinityConfig config_;
  Tensor text_norm_;      // [T]
  Tensor unconditional_;  // [text_max, T]
  Tensor pool_query_;     // [pool heads, C / pool heads]
  kernels::Linear pool_key_value_, pool_out_;
  kernels::Linear memory_in_, memory_out_;
  kernels::Linear modulation_;
};

}  // namespace scalekv::infinity
