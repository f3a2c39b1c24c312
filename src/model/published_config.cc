#include "model/published_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/strict_json.h"

namespace scalekv::model {

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
