#include "model/t5_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/strict_json.h"

namespace scalekv::model {

T5Config infer_t5_config(const formats::WeightMap& weights) {
  const std::string first = "encoder.block.0.layer.0.SelfAttention.";
  T5Config config;
  config.embedding = weights.has(kSharedEmbedding) ? kSharedEmbedding : kOwnEmbedding;
  while (weights.has(fmt::format("encoder.block.{}.layer.0.SelfAttention.q.weight", config.layers))) ++config.layers;
  if (config.layers == 0) fail("{} has no T5 encoder blocks (encoder.block.0...)", weights.description());
  const Shape& query = weights.shape(first + "q.weight");
  const Shape& buckets = weights.shape(first + "relative_attention_bias.weight");
  const Shape& embedding = weights.shape(config.embedding);
  const std::string gate = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight";
  if (!weights.has(gate)) fail("{} is no gated T5 (v1.1 or flan): {} is missing", weights.description(), gate);
  if (query.rank() != 2 || buckets.rank() != 2 || embedding.rank() != 2 || weights.shape(gate).rank() != 2) {
    fail("{}: the encoder's matrices are not matrices", weights.description());
  }
  config.vocabulary = embedding[0];
  config.width = embedding[1];
  config.buckets = buckets[0];
  config.heads = buckets[1];
  config.feed_forward = weights.shape(gate)[0];
  if (config.heads < 1 || query[0] % config.heads != 0) {
    fail("{}: {} attention channels do not divide into {} heads", weights.description(), query[0], config.heads);
  }
  config.head_size = query[0] / config.heads;
  constexpr std::int64_t kMaxHeadSize = 256;
  if (config.head_size < 1 || config.head_size > kMaxHeadSize) {
    fail("{}: attention heads of {} channels, expected 1 to {}", weights.description(), config.head_size, kMaxHeadSize);
  }
  constexpr std::int64_t kMinBuckets = 4;  // two directions, near and far
  if (config.buckets < kMinBuckets || config.width < 1 || config.vocabulary < 1 || config.feed_forward < 1) {
    fail("{}: {} relative positions, {} channels, {} tokens and {} hidden units make no text encoder",
         weights.description(), config.buckets, config.width, config.vocabulary, config.feed_forward);
  }
  return config;
}

void check_published_config(const T5Config& config, const std::filesystem::path& path) {
  constexpr std::size_t kMaxBytes = 1'000'000;
  const std::string where = path.string();
  const auto file = MappedFile::open(path);
  if (file->bytes().size() > kMaxBytes)
    fail("{} takes {} bytes, expected at most {}", where, file->bytes().size(), kMaxBytes);
  const nlohmann::json published = parse_strict_json(file->text(), where);
  if (!published.is_object()) fail("{} is no JSON object; download it again", where);
  const nlohmann::json expected = {{"model_type", "t5"},
                                   {"d_model", config.width},
                                   {"d_kv", config.head_size},
                                   {"num_heads", config.heads},
                                   {"d_ff", config.feed_forward},
                                   {"num_layers", config.layers},
                                   {"vocab_size", config.vocabulary},
                                   {"relative_attention_num_buckets", config.buckets},
                                   {"relative_attention_max_distance", config.max_distance},
                                   {"layer_norm_epsilon", config.epsilon},
                                   {"feed_forward_proj", "gated-gelu"}};
  for (const auto& [key, value] : expected.items()) {
    const auto entry = published.find(key);
    if (entry == published.end() || *entry == value) continue;
    fail("{} says that {} is {}, but the weights beside it, or this program, have {}", where, key,
         in_quotes(entry->dump()), value.dump());
  }
}

}  // namespace scalekv::model
