// The transformer written plainly from its formulas, in double precision, without stores, groups of sequences and fast
// kernels: what the engine's logits are held to.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "formats/tensor_source.h"
#include "support/small_generation.h"

namespace scalekv::testing {

class PlainTransformer {
 public:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;

  PlainTransformer(const model::InfinityConfig& config, const formats::TensorSource& weights)
      : config_(config), weights_(weights) {}

  // By scale: a row of logits, after temperature and guidance, for every token of every image. The request's bits are
  // forced, its cache is full.
  std::vector<Rows> logits(const SmallRequest& request) const {
    const std::size_t images = request.texts.size();
    std::vector<Sequence> sequences;
    for (std::size_t i = 0; i < images; ++i) sequences.push_back(begin(rows_of(request.texts[i].view<float>())));
    for (std::size_t i = 0; i < images; ++i) {
      const bool learned = request.negative.empty() || request.negative[i].empty();
      Rows text = learned ? matrix("cfg_uncond", config_.text_width) : rows_of(request.negative[i].view<float>());
      if (learned) text.resize(static_cast<std::size_t>(request.texts[i].shape()[0]));
      sequences.push_back(begin(text));
    }
    std::vector<Rows> latents(images);  // [H W][codebook]
    std::vector<Rows> result;
    for (std::size_t scale = 0; scale < request.schedule.scales.size(); ++scale) {
      result.push_back(scale_logits(request, scale, sequences, latents));
    }
    return result;
  }

 private:
  struct Layer {
    std::vector<Rows> keys, values;  // by head
  };
  struct Sequence {
    Row condition;
    Row modulation;  // 6 C
    Rows memory;
    std::vector<Layer> cache;
    Rows x;  // of the current scale
  };

  // Tensors as rows of `columns`.
  Rows matrix(const std::string& name, std::int64_t columns) const {
    const Tensor tensor = weights_.load(*weights_.find(name));
    const float* values = tensor.view<float>().data();
    Rows rows;
    for (std::int64_t i = 0; i < tensor.elements(); i += columns) rows.emplace_back(values + i, values + i + columns);
    return rows;
  }
  Row vector(const std::string& name) const {
    const Tensor tensor = weights_.load(*weights_.find(name));
    const float* values = tensor.view<float>().data();
    return Row(values, values + tensor.elements());
  }
  static Rows rows_of(View<const float> view) {
    Rows rows;
    for (std::int64_t i = 0; i < view.size(0); ++i) rows.emplace_back(view.at(i, 0), view.at(i, 0) + view.size(1));
    return rows;
  }

  static double dot(const Row& a, const Row& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
  static Row part(const Row& row, std::int64_t first, std::int64_t count) {
    return Row(row.begin() + first, row.begin() + first + count);
  }
  // W x + bias.
  Rows product(const std::string& weight, const Row& bias, const Rows& x) const {
    const Rows w = matrix(weight, static_cast<std::int64_t>(x.front().size()));
    Rows y;
    for (const Row& row : x) {
      y.emplace_back();
      for (std::size_t n = 0; n < w.size(); ++n) y.back().push_back(dot(w[n], row) + (bias.empty() ? 0.0 : bias[n]));
    }
    return y;
  }
  Rows linear(const std::string& name, const Rows& x) const {
    return product(name + ".weight", vector(name + ".bias"), x);
  }
  // Keys without a bias, then values with theirs.
  Rows keys_and_values(const std::string& prefix, const Rows& x) const {
    Row bias(static_cast<std::size_t>(config_.width), 0.0);
    const Row values = vector(prefix + "v_bias");
    bias.insert(bias.end(), values.begin(), values.end());
    return product(prefix + "mat_kv.weight", bias, x);
  }
  static Rows gelu(Rows x) {
    for (Row& row : x) {
      for (double& v : row) v *= 0.5 * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (v + 0.044715 * v * v * v)));
    }
    return x;
  }
  static Row silu(Row x) {
    for (double& v : x) v /= 1.0 + std::exp(-v);
    return x;
  }
  static Row normed(const Row& x) {
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
    double variance = 0.0;
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
    Row y;
    for (const double v : x) y.push_back((v - mean) / std::sqrt(variance + 1e-6));
    return y;
  }
  // LN(x) (1 + scale) + shift.
  static Rows modulated(const Rows& x, const Row& scale, const Row& shift) {
    Rows y;
    for (const Row& row : x) {
      y.push_back(normed(row));
      for (std::size_t c = 0; c < row.size(); ++c) y.back()[c] = y.back()[c] * (1.0 + scale[c]) + shift[c];
    }
    return y;
  }
  static Row attend(const Row& query, const Rows& keys, const Rows& values, double scale) {
    Row weights;
    for (const Row& key : keys) weights.push_back(std::exp(dot(query, key) * scale));
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    Row out(values.front().size(), 0.0);
    for (std::size_t j = 0; j < keys.size(); ++j) {
      for (std::size_t d = 0; d < out.size(); ++d) out[d] += weights[j] / total * values[j][d];
    }
    return out;
  }
  static void add(Rows& x, const Rows& y, const Row& gate) {
    for (std::size_t r = 0; r < x.size(); ++r) {
      for (std::size_t c = 0; c < x[r].size(); ++c) x[r][c] += y[r][c] * (gate.empty() ? 1.0 : gate[c]);
    }
  }
  // Attention of heads of `size` to rows of [keys, values].
  static Rows attend_heads(const Rows& queries, const Rows& key_values, std::int64_t size) {
    const auto width = static_cast<std::int64_t>(key_values.front().size()) / 2;
    Rows out(queries.size());
    for (std::int64_t first = 0; first < width; first += size) {
      Rows keys, values;
      for (const Row& row : key_values) {
        keys.push_back(part(row, first, size));
        values.push_back(part(row, width + first, size));
      }
      for (std::size_t r = 0; r < queries.size(); ++r) {
        const double scale = 1.0 / std::sqrt(static_cast<double>(size));
        const Row mine = attend(part(queries[r], first, size), keys, values, scale);
        out[r].insert(out[r].end(), mine.begin(), mine.end());
      }
    }
    return out;
  }

  Sequence begin(const Rows& text) const {
    const Row weight = vector("text_norm.weight");
    Rows features;
    for (const Row& row : text) {
      const double scale = 1.0 / std::sqrt(dot(row, row) / static_cast<double>(row.size()) + 1e-6);
      features.emplace_back();
      for (std::size_t c = 0; c < row.size(); ++c) features.back().push_back(row[c] * scale * weight[c]);
    }
    Sequence sequence;
    const Rows pooled =
        attend_heads({vector("text_proj_for_sos.ca.mat_q")}, keys_and_values("text_proj_for_sos.ca.", features),
                     config_.width / config_.pool_heads());
    sequence.condition = linear("text_proj_for_sos.ca.proj", pooled).front();
    sequence.memory = linear("text_proj_for_ca.2", gelu(linear("text_proj_for_ca.0", features)));
    sequence.modulation = linear("shared_ada_lin.1", {silu(sequence.condition)}).front();
    sequence.cache.resize(static_cast<std::size_t>(config_.depth));
    for (Layer& layer : sequence.cache) {
      layer.keys.resize(static_cast<std::size_t>(config_.heads));
      layer.values.resize(static_cast<std::size_t>(config_.heads));
    }
    return sequence;
  }

  // Where a row or column lies on the last map of the whole schedule; of two equally near places the even one.
  static double position(std::int64_t index, std::int64_t count, std::int64_t reference) {
    const std::int64_t twice = 2 * index * reference, floor = twice / (2 * count);
    const std::int64_t rest = twice - floor * 2 * count;
    return static_cast<double>(rest > count || (rest == count && floor % 2 == 1) ? floor + 1 : floor);
  }
  static void rotate(Row& x, double row, double column) {
    const std::size_t quarter = x.size() / 4;
    for (std::size_t j = 0; j < 2 * quarter; ++j) {
      const double exponent = -2.0 * static_cast<double>(j % quarter) / static_cast<double>(2 * quarter);
      const double angle = (j < quarter ? row : column) * std::pow(10000.0, exponent);
      const double a = x[2 * j], b = x[2 * j + 1];
      x[2 * j] = a * std::cos(angle) - b * std::sin(angle);
      x[2 * j + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  }
  static Row of_length(Row x, double length) {
    const double factor = length / std::max(std::sqrt(dot(x, x)), 1e-12);
    for (double& v : x) v *= factor;
    return x;
  }

  Rows self_attention(const std::string& block, const Rows& x, Layer& cache, MapSize map, MapSize reference) const {
    const std::int64_t size = config_.head_size(), c = config_.width;
    Row bias = vector(block + "sa.q_bias"), value_bias = vector(block + "sa.v_bias");
    bias.resize(static_cast<std::size_t>(2 * c), 0.0);
    bias.insert(bias.end(), value_bias.begin(), value_bias.end());
    const Rows projected = product(block + "sa.mat_qkv.weight", bias, x);
    const Row log_scale = vector(block + "sa.scale_mul_1H11");
    Rows out(x.size());
    for (std::int64_t h = 0; h < config_.heads; ++h) {
      const auto head = static_cast<std::size_t>(h);
      Rows queries;
      for (std::size_t t = 0; t < x.size(); ++t) {
        const auto token = static_cast<std::int64_t>(t);
        const double row = position(token / map.width, map.height, reference.height);
        const double column = position(token % map.width, map.width, reference.width);
        const double scale = std::min(std::exp(log_scale[head]), 100.0);
        queries.push_back(of_length(part(projected[t], h * size, size), scale));
        rotate(queries.back(), row, column);
        cache.keys[head].push_back(of_length(part(projected[t], c + h * size, size), 1.0));
        rotate(cache.keys[head].back(), row, column);
        cache.values[head].push_back(part(projected[t], 2 * c + h * size, size));
      }
      for (std::size_t t = 0; t < x.size(); ++t) {
        const Row mine = attend(queries[t], cache.keys[head], cache.values[head], 1.0);
        out[t].insert(out[t].end(), mine.begin(), mine.end());
      }
    }
    return linear(block + "sa.proj", out);
  }

  void run_block(std::int64_t layer, Sequence& sequence, MapSize map, MapSize reference) const {
    const std::string block = model::block_prefix(config_, layer);
    const std::int64_t c = config_.width;
    Row modulation = vector(block + "ada_gss");
    for (std::size_t i = 0; i < modulation.size(); ++i) modulation[i] += sequence.modulation[i];
    const auto of = [&](std::int64_t index) { return part(modulation, index * c, c); };  // g1, g2, s1, s2, b1, b2
    Rows& x = sequence.x;
    add(x,
        self_attention(block, modulated(x, of(2), of(4)), sequence.cache[static_cast<std::size_t>(layer)], map,
                       reference),
        of(0));
    Row affine = vector(block + "ca_norm.weight");
    for (double& weight : affine) weight -= 1.0;
    const Rows queries = linear(block + "ca.mat_q", modulated(x, affine, vector(block + "ca_norm.bias")));
    const Rows memory = keys_and_values(block + "ca.", sequence.memory);
    add(x, linear(block + "ca.proj", attend_heads(queries, memory, config_.head_size())), {});
    add(x, linear(block + "ffn.fc2", gelu(linear(block + "ffn.fc1", modulated(x, of(3), of(5))))), of(1));
  }

  // Maps of cells [h w][channels]: the value at the place of each cell of `to`, between the middles of those of `from`.
  static Rows resample(const Rows& cells, MapSize from, MapSize to) {
    const auto place = [](std::int64_t i, std::int64_t in, std::int64_t out) {
      const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
      return std::clamp(at, 0.0, static_cast<double>(in - 1));
    };
    Rows result;
    for (std::int64_t i = 0; i < to.tokens(); ++i) {
      const double y = place(i / to.width, from.height, to.height), x = place(i % to.width, from.width, to.width);
      result.emplace_back(cells.front().size(), 0.0);
      for (std::int64_t j = 0; j < from.tokens(); ++j) {
        const double near = std::max(0.0, 1.0 - std::abs(y - static_cast<double>(j / from.width))) *
                            std::max(0.0, 1.0 - std::abs(x - static_cast<double>(j % from.width)));
        for (std::size_t c = 0; near > 0.0 && c < result.back().size(); ++c) {
          result.back()[c] += near * cells[static_cast<std::size_t>(j)][c];
        }
      }
    }
    return result;
  }

  MapSize cells_of(MapSize map) const { return config_.patchify ? MapSize{2 * map.height, 2 * map.width} : map; }

  // Tokens of the next map: its cells, or the four cells of each token, channel by channel.
  Rows tokens_of(const Rows& latent, MapSize last, MapSize map) const {
    const Rows cells = resample(latent, cells_of(last), cells_of(map));
    if (!config_.patchify) return cells;
    Rows tokens(static_cast<std::size_t>(map.tokens()));
    for (std::int64_t t = 0; t < map.tokens(); ++t) {
      for (std::size_t channel = 0; channel < cells.front().size(); ++channel) {
        for (const std::int64_t corner : {0, 1, 2, 3}) {
          const std::int64_t y = 2 * (t / map.width) + corner / 2, x = 2 * (t % map.width) + corner % 2;
          tokens[static_cast<std::size_t>(t)].push_back(
              cells[static_cast<std::size_t>(y * 2 * map.width + x)][channel]);
        }
      }
    }
    return tokens;
  }

  void add_forced(const Tensor& bits, MapSize map, MapSize last, Rows& latent) const {
    const std::int64_t channels = bits.shape()[2];
    Rows codes;
    for (std::int64_t i = 0; i < bits.elements(); ++i) {
      if (i % channels == 0) codes.emplace_back();
      const double unit = 1.0 / std::sqrt(static_cast<double>(channels));
      codes.back().push_back(bits.view<std::uint8_t>().data()[i] == 1 ? unit : -unit);
    }
    const Rows spread = resample(codes, cells_of(map), cells_of(last));
    if (latent.empty()) latent.assign(spread.size(), Row(static_cast<std::size_t>(channels), 0.0));
    add(latent, spread, {});
  }

  static Rows blend(const Rows& a, const Rows& b, double cfg) {
    Rows mixed = a;
    for (std::size_t r = 0; r < a.size(); ++r) {
      for (std::size_t c = 0; c < a[r].size(); ++c) mixed[r][c] = b[r][c] + cfg * (a[r][c] - b[r][c]);
    }
    return mixed;
  }

  Rows head(const Sequence& sequence, double tau) const {
    const Row modulation = linear("head_nm.ada_lin.1", {silu(sequence.condition)}).front();
    const std::int64_t c = config_.width;
    Rows logits = linear("head", modulated(sequence.x, part(modulation, 0, c), part(modulation, c, c)));
    for (Row& row : logits) {
      for (double& value : row) value /= tau;
    }
    return logits;
  }

  Rows scale_logits(const SmallRequest& request, std::size_t scale, std::vector<Sequence>& sequences,
                    std::vector<Rows>& latents) const {
    const MapSize map = request.schedule.scales[scale], last = request.schedule.scales.back();
    const std::size_t images = latents.size();
    const double cfg = request.cfg[scale];
    for (std::size_t r = 0; r < sequences.size(); ++r) {
      Sequence& sequence = sequences[r];
      sequence.x =
          scale == 0 ? Rows{sequence.condition} : linear("word_embed", tokens_of(latents[r % images], last, map));
      if (scale == 0) add(sequence.x, {vector("pos_start")}, {});
      const Rows embedding = matrix("lvl_embed.weight", config_.width);
      for (Row& row : sequence.x) {
        for (std::size_t c = 0; c < row.size(); ++c) row[c] += embedding[scale][c];
      }
    }
    for (std::int64_t layer = 0; layer < config_.depth; ++layer) {
      for (Sequence& sequence : sequences) run_block(layer, sequence, map, request.schedule.reference);
      if (request.guidance_layer == 0 || layer + request.guidance_layer != config_.depth) continue;
      for (std::size_t i = 0; i < images && cfg != 1.0; ++i) {
        sequences[i].x = blend(sequences[i].x, sequences[images + i].x, cfg);
        sequences[images + i].x = sequences[i].x;
      }
    }
    Rows all;
    for (std::size_t i = 0; i < images; ++i) {
      Rows mine = head(sequences[i], request.tau[scale]);
      if (request.guidance_layer == 0) mine = blend(mine, head(sequences[images + i], request.tau[scale]), cfg);
      all.insert(all.end(), mine.begin(), mine.end());
      add_forced((*request.forced)[scale][i], map, last, latents[i]);
    }
    return all;
  }

  model::InfinityConfig config_;
  const formats::TensorSource& weights_;
};

}  // namespace scalekv::testing
