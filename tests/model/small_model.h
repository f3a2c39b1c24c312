// A small model: the sizes of its parts, and what their tables name.
#pragma once

#include <functional>

#include "model/tensor_table.h"

namespace scalekv::model {

constexpr InfinityConfig kTransformer = {.depth = 2,
                                         .width = 48,
                                         .heads = 3,
                                         .chunks = 2,
                                         .feed_forward = 256,
                                         .text_width = 128,
                                         .text_max = 16,
                                         .bits = 8};
inline const VaeConfig kVae = {.codebook = 8,
                               .decoder = {.base = 32, .multipliers = {1, 2, 2}, .blocks = 3},
                               .encoder = {.base = 32, .multipliers = {1, 1, 4}, .blocks = 1}};
constexpr T5Config kText = {
    .layers = 2, .width = 128, .heads = 4, .head_size = 32, .feed_forward = 256, .vocabulary = 300};

// Every tensor that the engine reads, under its whole name and behind its part's prefix ("gpt.", "vae.", "t5.").
inline void visit_small_model(const std::function<void(const std::string& prefix, const TableEntry&)>& visit) {
  const auto visit_part = [&](const std::string& prefix, const NetworkTable& table) {
    table.visit([&](const TableEntry& entry) {
      if (entry.spec.role != Role::unread) visit(prefix, entry);
    });
  };
  visit_part("gpt.", infinity_table(kTransformer));
  visit_part("vae.", vae_table(kVae));
  visit_part("t5.", t5_table(kText));
}

}  // namespace scalekv::model
