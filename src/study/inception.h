// Inception v3 as FID and KID use it: the network of 2015 that pytorch-fid ported (Szegedy et al., arXiv 1512.00567;
// pytorch_fid/inception.py), up to its 2048 features.
#pragma once

#include <string>
#include <vector>

#include "formats/weight_map.h"
#include "runtime/tap.h"
#include "study/rectified_conv.h"

namespace scalekv::study {

class Inception {
 public:
  static constexpr std::int64_t kSide = 299;
  static constexpr std::int64_t kFeatures = 2048;

  // Names and shapes as in pt_inception-2015-12-05-6726825d.pth. Throws Error naming the tensor where another network
  // is given.
  explicit Inception(formats::WeightMap& weights);

  // picture: [299, 299, 3], 0..255; features: [2048]. The tap sees the result of every block ([H, W, C]).
  // Safe to call from several threads at once.
  void features(View<const float> picture, View<float> features, const Tap& tap = {}) const;

  struct Layer;
  struct Branch;
  struct Block;

 private:
  std::vector<Block> blocks_;
};

enum class Pool : std::uint8_t { none, mean, max, max_halving };

// A convolution with the batch norm multiplied into it, and max(0, x).
struct Inception::Layer {
  std::string name;
  std::int64_t out;
  std::int64_t height, width;  // of the kernel
  std::int64_t stride = 1;
  bool padded = true;  // so that the map keeps its size
  std::vector<RectifiedConv> conv = {};
};

// Pool, then layers one after another; then, if `fork` is not empty, each of its layers on the same map.
struct Inception::Branch {
  Pool pool;
  std::vector<Layer> layers;
  std::vector<Layer> fork = {};
};

// What the branches give, side by side in the channels.
struct Inception::Block {
  std::string name;
  std::vector<Branch> branches;
};

}  // namespace scalekv::study
