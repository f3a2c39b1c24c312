// Models of the released sizes with random weights: for measuring time and memory, which do not depend on the values,
// where the released files are not at hand.
#pragma once

#include <string>
#include <vector>

#include "model/bundle.h"
#include "model/infinity_config.h"
#include "model/t5_config.h"
#include "model/vae_config.h"

namespace scalekv::model {

// A published model, and what its authors sample it with, where they say so.
struct Published {
  const char* name = "";
  const char* size = "1M";
  double cfg = 4.0;
  double tau = 1.0;
};

// The sizes of a model.
struct Architecture {
  std::string name;
  InfinityConfig transformer;
  VaeConfig vae;
  T5Config text;
  Published published = {};  // that has these sizes
};

// The released ones: infinity-2b, infinity-8b, layer12 ... layer48.
const std::vector<Architecture>& known_architectures();
// One of them by name, or with "infinity-2b:8" the first 8 layers of one: what a layer takes of time, without the rest.
// Throws UsageError on another name, listing those that exist.
Architecture find_architecture(const std::string& name);

// Its tensors, made of the seed one by one when they are asked for, in bfloat16 as converted files hold them. Nothing
// is made here, so that sizes can be read off at no cost. There is no tokenizer and no VAE encoder.
Bundle random_bundle(const Architecture& architecture, std::uint64_t seed);

}  // namespace scalekv::model
