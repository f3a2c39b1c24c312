// Texts that are encoded once, however often a run asks for them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/text_room.h"

namespace scalekv::engine {

class EncodedTexts {
 public:
  using Ids = std::vector<std::int32_t>;

  // Frees the features of all other texts.
  void keep_only(std::span<const Ids> texts);
  // Features [n, width] of each text; they live until a call does not name the text. An empty text has none. Keeps only
  // these texts, encodes those that are missing, and then releases the encoder.
  std::vector<View<const float>> encode(const TextEncoder& encoder, std::span<const Ids> texts);

 private:
  std::map<Ids, Tensor> features_;
};

}  // namespace scalekv::engine
