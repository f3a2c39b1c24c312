// What the parts of a model are, as JSON: for people who inspect a file, and for the metadata of converted ones.
#pragma once

#include <nlohmann/json.hpp>

#include "checkpoint/bundle.h"

namespace scalekv::cli {

// {"infinity": {...}, "vae": {...}, "t5": {...}, "pixels_per_token": 16} as docs/FORMATS.md describes them, of the
// parts that are there (a transformer only beside its VAE). Throws Error naming tensors that do not fit together.
nlohmann::json describe_architecture(const checkpoint::Bundle& bundle);

}  // namespace scalekv::cli
