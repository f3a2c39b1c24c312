// One half of the VAE: its layers, one after the other.
#pragma once

#include <optional>
#include <vector>

#include "runtime/tap.h"
#include "vae/layers.h"

namespace scalekv::vae {

class Coder {
 public:
  Coder(const std::vector<model::CoderLayer>& layers, const model::LayerTensors& tensors);

  // x: [H, W, inputs of the first layer] -> [H', W', outputs of the last one]; the tap is told the layers' stages.
  Tensor run(View<const float> x, const Tap& tap) const;

  // The ledger's peak under `vae` while a map of height x width runs through these layers with the present number of
  // threads, the result included.
  static std::int64_t predict_bytes(const std::vector<model::CoderLayer>& layers, std::int64_t height,
                                    std::int64_t width);

 private:
  struct Step {
    model::CoderLayer layer;
    std::optional<ResidualBlock> block = {};  // of a block; of other kinds the convolution, after the norm of the last
    kernels::Conv2d conv = {};
    Norm norm = {};
  };
  std::vector<Step> steps_;
};

}  // namespace scalekv::vae
