#include "infinity/predict.h"

#include <algorithm>

#include "cache/observed_queries.h"
#include "infinity/latent.h"
#include "kernels/linear.h"

namespace scalekv::infinity {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

}  // namespace

std::int64_t sequence_count(const GenerationRequest& request, std::int64_t images) {
  return request.guided() ? 2 * images : images;
}

std::int64_t predict_result_bytes(const model::InfinityConfig& config, const Schedule& schedule, std::int64_t images) {
  std::int64_t bits = 0;
  for (const MapSize& map : schedule.scales) bits += map.tokens() * config.bits;
  return images * (bits + schedule.scales.back().tokens() * config.bits * kFloat);
}

// Follows the generator scale by scale: what is alive at each of its four largest moments. (Its inputs, floats of the
// latent at one a bit, are never more than the logits, two a bit, beside what the head takes.)
std::int64_t predict_activation_bytes(const model::InfinityConfig& config, const GenerationRequest& request,
                                      std::int64_t images, WeightType weights) {
  const std::vector<MapSize>& scales = request.schedule.scales;
  const std::int64_t sequences = sequence_count(request, images);
  const cache::KeepPlan plan(cache_geometry(config, request.schedule), request.policy.budget, request.keep_last);
  const std::vector<std::int64_t> group = sequence_groups(scales, sequences);
  const std::int64_t latents = images * scales.back().tokens() * config.bits * kFloat;
  std::int64_t held = Workspace::predict_bytes(config, scales, sequences) + latents;  // grows by the bits
  std::int64_t peak = 0;
  for (int scale = 0; scale < static_cast<int>(scales.size()); ++scale) {
    const auto index = static_cast<std::size_t>(scale);
    const std::int64_t tokens = scales[index].tokens();
    const std::int64_t map_bits = tokens * config.bits;  // of one image: bytes of its bits, floats of its codes
    const std::int64_t x = sequences * tokens * config.width * kFloat;
    const std::int64_t rotary = tokens * config.head_size() * kFloat;
    const std::int64_t observed =
        cache::predict_observed_bytes(request.policy.selector.get(), plan, scale, group[index]);
    const std::int64_t rows = group[index] * tokens;
    const auto inputs = [&](std::int64_t row_count, std::int64_t width) {
      return kernels::Linear::predict_input_bytes(row_count, width, weights);
    };
    const std::int64_t in_block =
        std::max(observed + inputs(rows, config.width), inputs(Workspace::hidden_rows(rows), config.feed_forward));

    const bool blended = sequences > images && request.guidance_layer == 0 && request.cfg[index] != 1.0F;
    const std::int64_t headed = blended ? sequences : images;
    const std::int64_t logits = headed * map_bits * 2 * kFloat;
    const std::int64_t head = (headed * 3 + tokens) * config.width * kFloat;
    const std::int64_t guided_logits = images * map_bits * 2 * kFloat;

    const std::int64_t sampling = guided_logits + (images - 1) * map_bits + (1 + kFloat) * map_bits;
    peak = std::max({peak, held + x + rotary + in_block, held + x + logits + head,
                     held + x + logits + (blended ? guided_logits : 0), held + sampling});
    held += images * map_bits;
  }
  return peak;
}

std::int64_t predict_text_bytes(const model::InfinityConfig& config, std::int64_t sequences, std::int64_t tokens) {
  const std::int64_t c = config.width;
  const std::int64_t kept = sequences * 7 * c + tokens * c;  // vector and modulation; memory
  const std::int64_t conditioning = kept + tokens * (2 * config.text_width + 3 * c) + sequences * 2 * c;
  const std::int64_t running = kept + tokens * 2 * c * config.depth;
  return std::max(conditioning, running) * kFloat;
}

}  // namespace scalekv::infinity
