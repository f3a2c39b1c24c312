#include "engine/operations.h"

#include "base/ceil_divide.h"
#include "infinity/observed_queries.h"
#include "infinity/predict.h"
#include "kernels/linear.h"
#include "kernels/products.h"

namespace scalekv::engine {
namespace {

// `rows` rows through a matrix, which is read `passes` times.
Work product(double rows, double inputs, double outputs, WeightType type, double passes = 1.0) {
  const auto k = static_cast<std::int64_t>(inputs), n = static_cast<std::int64_t>(outputs);
  const auto weight = static_cast<double>(kernels::Linear::predict_bytes(k, n, true, type));
  return {.operations = 2.0 * rows * inputs * outputs,
          .bytes = passes * weight + rows * (inputs + outputs) * kFloatBytes,
          .products = {kernels::product_name(type, k, n)}};
}

// Queries over keys: q k^T and p v.
Work attend(double queries, double keys, double head_size, double key_bytes) {
  return {.operations = 4.0 * queries * keys * head_size,
          .bytes = 2.0 * queries * head_size * kFloatBytes + 2.0 * keys * head_size * key_bytes};
}

Work block_matrices(const model::InfinityConfig& config, WeightType type, double rows, double passes) {
  const auto c = static_cast<double>(config.width), hidden = static_cast<double>(config.feed_forward);
  Work sum = product(rows, c, 3.0 * c, type, passes);
  for (int square = 0; square < 3; ++square) sum += product(rows, c, c, type, passes);  // two outputs, cross query
  sum += product(rows, c, hidden, type, passes);
  sum += product(rows, hidden, c, type, passes);
  return sum;
}

Work convolution(double cells, double inputs, double outputs, double kernel) {
  return {.operations = 2.0 * cells * inputs * outputs * kernel * kernel,
          .bytes = (cells * (inputs + outputs) + inputs * outputs * kernel * kernel) * kFloatBytes};
}

Work residual_block(double cells, double inputs, double outputs) {
  Work sum = convolution(cells, inputs, outputs, 3.0);
  sum += convolution(cells, outputs, outputs, 3.0);
  if (inputs != outputs) sum += convolution(cells, inputs, outputs, 1.0);
  return sum;
}

}  // namespace

std::vector<ScaleWork> transformer_work(const ModelSizes& sizes, const infinity::GenerationRequest& request,
                                        std::int64_t images, std::int64_t text_tokens) {
  const model::InfinityConfig& config = sizes.transformer;
  const std::vector<MapSize>& scales = request.schedule.scales;
  const std::int64_t sequences = infinity::sequence_count(request, images);
  const std::vector<std::int64_t> group = infinity::sequence_groups(scales, sequences);
  const cache::KeepPlan plan(infinity::cache_geometry(config, request.schedule), request.policy.budget);
  const auto r = static_cast<double>(sequences), b = static_cast<double>(images);
  const auto c = static_cast<double>(config.width), bits = static_cast<double>(config.bits);
  const auto depth = static_cast<double>(config.depth), heads = static_cast<double>(config.heads);
  const auto size = static_cast<double>(config.head_size());
  const auto key_bytes = static_cast<double>(kernels::kv_element_bytes(request.kv));
  std::vector<ScaleWork> works;
  for (int scale = 0; scale < static_cast<int>(scales.size()); ++scale) {
    const auto index = static_cast<std::size_t>(scale);
    const auto tokens = static_cast<double>(scales[index].tokens());
    const auto passes = static_cast<double>(ceil_divide(sequences, group[index]));
    ScaleWork work;
    const Work block = block_matrices(config, sizes.weights, r * tokens, passes);
    work.linear = depth * block;
    if (scale > 0) work.linear += product(b * tokens, bits, c, WeightType::f32);
    const bool blended = sequences > images && request.guidance_layer == 0 && request.cfg[index] != 1.0F;
    work.linear += product((blended ? r : b) * tokens, c, 2.0 * bits, WeightType::f32);
    for (int layer = 0; layer < plan.geometry().layers; ++layer) {
      for (int head = 0; head < plan.geometry().heads; ++head) {
        const double keys = static_cast<double>(plan.before(scale, layer, head)) + tokens;
        const Work one = attend(tokens, keys, size, key_bytes);
        work.attention += r * one;
      }
      const infinity::ObservedQueries observed(request.policy.selector.get(), plan, scale, layer, 0);
      const double keys = static_cast<double>(plan.before(scale, layer, 0)) + tokens;
      const auto rows = static_cast<double>(observed.rows_per_slot());
      if (rows > 0) work.selection += {r * 2.0 * rows * keys * size, r * heads * keys * size * key_bytes};
    }
    const Work cross = attend(tokens, static_cast<double>(text_tokens), size, kFloatBytes);
    work.cross_attention = (depth * r * heads) * cross;
    works.push_back(work);
  }
  return works;
}

Work text_work(const ModelSizes& sizes, std::int64_t tokens) {
  const model::T5Config& config = sizes.text;
  const auto length = static_cast<double>(tokens), width = static_cast<double>(config.width);
  const auto inner = static_cast<double>(config.heads * config.head_size);
  const auto hidden = static_cast<double>(config.feed_forward);
  Work layer;
  for (int matrix = 0; matrix < 3; ++matrix) layer += product(length, width, inner, sizes.text_weights);
  layer += product(length, inner, width, sizes.text_weights);
  layer += product(length, width, hidden, sizes.text_weights);
  layer += product(length, width, hidden, sizes.text_weights);
  layer += product(length, hidden, width, sizes.text_weights);
  layer += attend(length, length, inner, kFloatBytes);
  return static_cast<double>(config.layers) * layer;
}

Work decoder_work(const model::VaeConfig& config, MapSize latent) {
  auto cells = static_cast<double>(latent.tokens());
  auto channels = static_cast<double>(config.decoder.channels(config.decoder.levels() - 1));
  Work sum = convolution(cells, static_cast<double>(config.codebook), channels, 3.0);
  for (int middle = 0; middle < 2; ++middle) sum += residual_block(cells, channels, channels);
  for (std::size_t level = config.decoder.levels(); level-- > 0;) {
    const auto outputs = static_cast<double>(config.decoder.channels(level));
    for (std::int64_t i = 0; i < config.decoder.blocks; ++i) {
      sum += residual_block(cells, channels, outputs);
      channels = outputs;
    }
    if (level == 0) break;
    cells *= 4.0;
    sum += convolution(cells, channels, channels, 3.0);
  }
  sum += convolution(cells, channels, 3.0, 3.0);
  return sum;
}

}  // namespace scalekv::engine
