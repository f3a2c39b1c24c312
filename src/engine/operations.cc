#include "engine/operations.h"

#include "base/ceil_divide.h"
#include "cache/observed_queries.h"
#include "infinity/predict.h"
#include "infinity/workspace.h"
#include "kernels/linear.h"
#include "kernels/products.h"
#include "model/tensor_table.h"

namespace scalekv::engine {
namespace {

// `rows` rows through a matrix, which is read `passes` times.
Work product(double rows, double inputs, double outputs, WeightType type, double passes = 1.0) {
  const auto k = static_cast<std::int64_t>(inputs), n = static_cast<std::int64_t>(outputs);
  const auto weight = static_cast<double>(kernels::Linear::predict_bytes(k, n, true, type));
  return {.operations = 2.0 * rows * inputs * outputs,
          .bytes = passes * weight + rows * (inputs + outputs) * model::kFloatBytes,
          .products = {kernels::product_name(type, k, n)}};
}

// Queries over keys: q k^T and p v.
Work attend(double queries, double keys, double head_size, double key_bytes) {
  return {.operations = 4.0 * queries * keys * head_size,
          .bytes = 2.0 * queries * head_size * model::kFloatBytes + 2.0 * keys * head_size * key_bytes};
}

// The matrices of a block on `rows` rows.
Work block_matrices(const std::vector<model::TensorSpec>& block, WeightType type, double rows, double passes) {
  Work sum;
  for (const model::TensorSpec& spec : block) {
    if (spec.role != model::Role::matrix || spec.uses == 0) continue;
    sum += product(static_cast<double>(spec.uses) * rows, static_cast<double>(spec.shape[1]),
                   static_cast<double>(spec.shape[0]), type, passes);
  }
  return sum;
}

Work convolution(double cells, double inputs, double outputs, double kernel) {
  return {.operations = 2.0 * cells * inputs * outputs * kernel * kernel,
          .bytes = (cells * (inputs + outputs) + inputs * outputs * kernel * kernel) * model::kFloatBytes};
}

}  // namespace

std::vector<ScaleWork> transformer_work(const model::ModelSizes& sizes, const infinity::GenerationRequest& request,
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
  const std::vector<model::TensorSpec> block_tensors = model::infinity_block(config);
  std::vector<ScaleWork> works;
  for (int scale = 0; scale < static_cast<int>(scales.size()); ++scale) {
    const auto index = static_cast<std::size_t>(scale);
    const auto tokens = static_cast<double>(scales[index].tokens());
    const auto passes = static_cast<double>(ceil_divide(sequences, group[index]));
    ScaleWork work;
    const Work block = block_matrices(block_tensors, sizes.weights, r * tokens, passes);
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
      const cache::ObservedQueries observed(request.policy.selector.get(), plan, scale, layer, 0);
      const double keys = static_cast<double>(plan.before(scale, layer, 0)) + tokens;
      const auto rows = static_cast<double>(observed.rows_per_slot());
      if (rows > 0) work.selection += {r * 2.0 * rows * keys * size, r * heads * keys * size * key_bytes};
    }
    const Work cross = attend(tokens, static_cast<double>(text_tokens), size, model::kFloatBytes);
    work.cross_attention = (depth * r * heads) * cross;
    works.push_back(work);
  }
  return works;
}

Work text_work(const model::ModelSizes& sizes, std::int64_t tokens) {
  const model::T5Config& config = sizes.text;
  const auto length = static_cast<double>(tokens), inner = static_cast<double>(config.heads * config.head_size);
  Work layer = block_matrices(model::t5_table(config).block, sizes.text_weights, length, 1.0);
  layer += attend(length, length, inner, model::kFloatBytes);
  return static_cast<double>(config.layers) * layer;
}

Work decoder_work(const model::VaeConfig& config, MapSize latent) {
  Work sum;
  for (const model::TensorSpec& spec : model::vae_table(config).tensors) {
    if (spec.role != model::Role::convolution || !spec.name.starts_with("decoder.")) continue;
    const auto cells = static_cast<double>(spec.uses * latent.tokens());
    sum += convolution(cells, static_cast<double>(spec.shape[1]), static_cast<double>(spec.shape[0]),
                       static_cast<double>(spec.shape[2]));
  }
  return sum;
}

}  // namespace scalekv::engine
