#include "model/infinity_config.h"

#include <algorithm>

#include "base/error.h"
#include "base/numbers.h"
#include "base/strict_json.h"

namespace scalekv::model {
namespace {

// One more than the largest number that follows `start` in a name; 0 where there is none. Throws Error on numbers that
// leave some out for sure: one name cannot make us look for a million blocks.
std::int64_t count_numbered(const formats::WeightMap& weights, const std::string& start) {
  const std::vector<std::string> names = weights.names(start);
  std::int64_t count = 0;
  for (const std::string& name : names) {
    const std::string_view rest = std::string_view(name).substr(start.size());
    const std::int64_t number = find_number<std::int64_t>(rest.substr(0, rest.find('.'))).value_or(-1);
    if (number >= static_cast<std::int64_t>(names.size())) {
      fail("{} has a tensor {}, but not those of all blocks before it; it is cut short", weights.description(),
           in_quotes(name));
    }
    count = std::max(count, number + 1);
  }
  return count;
}

}  // namespace

InfinityConfig infer_infinity_config(const formats::WeightMap& weights, std::int64_t codebook) {
  InfinityConfig config;
  const Shape& word_embed = weights.shape("word_embed.weight");
  if (word_embed.rank() != 2)
    fail("{}: word_embed.weight has shape {}, expected [C, bits]", weights.description(), word_embed.to_string());
  config.width = word_embed[0];
  config.bits = word_embed[1];
  config.patchify = config.bits == 4 * codebook;
  if (!config.patchify && config.bits != codebook) {
    fail(
        "{} works on {} bits a token, but the VAE has {}: they do not belong together (a transformer for this VAE has "
        "{} bits, or {} with 2x2 patches)",
        weights.description(), config.bits, codebook, codebook, 4 * codebook);
  }
  config.chunks = count_numbered(weights, "block_chunks.");
  if (config.chunks > 0) {
    for (std::int64_t chunk = 0; chunk < config.chunks; ++chunk) {
      const std::int64_t blocks = count_numbered(weights, fmt::format("block_chunks.{}.module.", chunk));
      if (chunk > 0 && blocks * chunk != config.depth) {
        fail("{}: block_chunks.{} has {} blocks, those before it {}; chunks must be equal", weights.description(),
             chunk, blocks, config.depth / chunk);
      }
      config.depth += blocks;
    }
  } else {
    config.depth = count_numbered(weights, "blocks.");
  }
  if (config.depth == 0) fail("{} has no transformer blocks (block_chunks.* or blocks.*)", weights.description());
  const std::string first = block_prefix(config, 0);
  const Shape& heads = weights.shape(first + "sa.scale_mul_1H11");
  if (heads.rank() != 4)
    fail("{}: {}sa.scale_mul_1H11 has shape {}, expected [1, H, 1, 1]", weights.description(), first,
         heads.to_string());
  config.heads = heads[1];
  config.feed_forward = weights.shape(first + "ffn.fc1.weight")[0];
  config.text_width = weights.shape("text_norm.weight")[0];
  config.text_max = weights.shape("cfg_uncond")[0];
  config.max_scales = weights.shape("lvl_embed.weight")[0];
  if (config.heads < 1 || config.width % config.heads != 0 || config.head_size() % 4 != 0) {
    fail("{}: a width of {} does not divide into {} heads of a multiple of 4", weights.description(), config.width,
         config.heads);
  }
  if (config.pool_heads() < 1 || config.width % config.pool_heads() != 0) {
    fail("{}: a text width of {} does not fit a width of {}", weights.description(), config.text_width, config.width);
  }
  return config;
}

std::string block_prefix(const InfinityConfig& config, std::int64_t layer) {
  if (config.chunks == 0) return fmt::format("blocks.{}.", layer);
  const std::int64_t per_chunk = config.depth / config.chunks;
  return fmt::format("block_chunks.{}.module.{}.", layer / per_chunk, layer % per_chunk);
}

}  // namespace scalekv::model
