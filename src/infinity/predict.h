// What a generation takes, before it runs: bytes as the ledger will count them.
#pragma once

#include "infinity/generation_request.h"

namespace scalekv::infinity {

// Sequences of a request: images, or twice as many where a scale is guided.
std::int64_t sequence_count(const GenerationRequest& request, std::int64_t images);

// The ledger's peak under `activations` while `images` images of the request are drawn together, the blocks' matrices
// held as `weights`.
std::int64_t predict_activation_bytes(const model::InfinityConfig& config, const GenerationRequest& request,
                                      std::int64_t images, WeightType weights);
// What of that outlives the last scale: the latent maps and all bits.
std::int64_t predict_result_bytes(const model::InfinityConfig& config, const Schedule& schedule, std::int64_t images);

// The ledger's peak under `text` in a generation whose sequences have `tokens` text tokens in all, besides the
// features that the caller holds.
std::int64_t predict_text_bytes(const model::InfinityConfig& config, std::int64_t sequences, std::int64_t tokens);

}  // namespace scalekv::infinity
