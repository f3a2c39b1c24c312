// The one small model of the tests: the sizes of its parts, and what their tables name.
#pragma once

#include <functional>
#include <string>

#include "model/random_model.h"
#include "model/tensor_table.h"

namespace scalekv::testing {

inline model::InfinityConfig small_config() {
  return {.depth = 4,
          .width = 48,
          .heads = 3,
          .chunks = 2,
          .feed_forward = 256,
          .text_width = 128,
          .text_max = 32,
          .bits = 8};
}
inline model::VaeConfig small_vae() {
  return {.codebook = 8,
          .decoder = {.base = 32, .multipliers = {1, 2, 2}, .blocks = 3},
          .encoder = {.base = 32, .multipliers = {1, 1, 4}, .blocks = 1}};
}
inline model::T5Config small_text() {
  return {.layers = 2, .width = 128, .heads = 4, .head_size = 32, .feed_forward = 256, .vocabulary = 300};
}

// All of it, without the VAE's encoder, which random models lack. patchify: tokens are patches of 2x2 latent cells.
inline model::Architecture small_architecture(bool patchify = false) {
  model::Architecture small{.name = patchify ? "small patches" : "small",
                            .transformer = small_config(),
                            .vae = {.codebook = patchify ? 2 : 8, .decoder = small_vae().decoder},
                            .text = small_text()};
  small.transformer.patchify = patchify;
  return small;
}

// Every tensor that the engine reads, under its whole name and behind its part's prefix ("gpt.", "vae.", "t5.").
inline void visit_small_model(const std::function<void(const std::string& prefix, const model::TableEntry&)>& visit) {
  const auto visit_part = [&](const std::string& prefix, const model::NetworkTable& table) {
    table.visit([&](const model::TableEntry& entry) {
      if (entry.spec.role != model::Role::unread) visit(prefix, entry);
    });
  };
  visit_part("gpt.", model::infinity_table(small_config()));
  visit_part("vae.", model::vae_table(small_vae()));
  visit_part("t5.", model::t5_table(small_text()));
}

}  // namespace scalekv::testing
