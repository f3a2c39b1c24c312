// How much work a request is: operations (two a multiply-add) and bytes moved, counted from sizes alone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "infinity/generation_request.h"
#include "model/sizes.h"

namespace scalekv::engine {

// bytes: each operand once, i.e. weights, inputs and outputs, as if caches were perfect.
struct Work {
  double operations = 0.0;
  double bytes = 0.0;
  std::set<std::string> products = {};  // which products of matrices serve (kernels::product_name), where there are any

  Work& operator+=(const Work& other) {
    operations += other.operations;
    bytes += other.bytes;
    products.insert(other.products.begin(), other.products.end());
    return *this;
  }
  friend Work operator*(double times, const Work& work) {
    return {times * work.operations, times * work.bytes, work.products};
  }
};

// What the transformer does at one scale.
struct ScaleWork {
  Work linear;           // the matrices of blocks, embedding and head
  Work attention;        // over history and current map
  Work cross_attention;  // over the text
  Work selection;        // scores of a policy's observed queries
};

// One entry a scale, for `images` images that are drawn together with texts of `text_tokens` tokens.
std::vector<ScaleWork> transformer_work(const model::ModelSizes& sizes, const infinity::GenerationRequest& request,
                                        std::int64_t images, std::int64_t text_tokens);

// The text encoder on a prompt of `tokens` tokens.
Work text_work(const model::ModelSizes& sizes, std::int64_t tokens);

// The VAE's decoder on one latent map: its convolutions.
Work decoder_work(const model::VaeConfig& config, MapSize latent);

}  // namespace scalekv::engine
