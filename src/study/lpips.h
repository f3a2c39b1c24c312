// LPIPS (Zhang et al., arXiv 1801.03924), version 0.1 with AlexNet: how different two pictures look.
#pragma once

#include <array>
#include <vector>

#include "formats/weight_map.h"
#include "scalekv/image.h"
#include "study/rectified_conv.h"

namespace scalekv::study {

class Lpips {
 public:
  // network: torchvision's AlexNet ("features.0.weight"...; its classifier is not used); heads: the five weights of
  // the lpips package's alex.pth ("lin0.model.1.weight"...). Throws Error naming the tensor that is missing or wrong.
  Lpips(formats::WeightMap& network, formats::WeightMap& heads);

  // 0 for equal pictures. Throws Error where sizes differ or a side is shorter than 31. Safe to call from several
  // threads at once.
  double distance(const Image& a, const Image& b) const;

 private:
  static constexpr int kLayers = 5;

  std::array<Tensor, kLayers> feature_maps(const Image& image) const;

  std::vector<RectifiedConv> convs_;
  std::array<std::vector<float>, kLayers> heads_;
};

}  // namespace scalekv::study
