// Every tensor that the engine reads of a model: name and shape, as they follow from the sizes.
#pragma once

#include <functional>
#include <string>

#include "model/infinity_config.h"
#include "model/t5_config.h"
#include "model/vae_config.h"
#include "runtime/shape.h"

namespace scalekv::model {

struct TableEntry {
  std::string name;  // as published, without the prefix of our one file
  Shape shape;
  // Random elements that keep a model's numbers in a sane range are spread over mean +- sqrt(3) deviation.
  float deviation = 0.0F;
  float mean = 0.0F;
};

// Called with one entry after another; it may throw to stop. (No list: damaged files can name millions of blocks.)
using TensorVisitor = std::function<void(const TableEntry&)>;

void visit_transformer(const InfinityConfig& config, const TensorVisitor& visit);
void visit_decoder(const VaeConfig& config, const TensorVisitor& visit);
void visit_encoder(const VaeConfig& config, const TensorVisitor& visit);  // the VAE's, which may be absent
void visit_text_encoder(const T5Config& config, const TensorVisitor& visit);

}  // namespace scalekv::model
