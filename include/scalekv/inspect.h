// What a model file, a PyTorch checkpoint or a folder of shards holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "scalekv/api.h"
#include "scalekv/progress.h"

namespace scalekv {

struct TensorFacts {
  std::string name;
  std::string type;  // "F32", "BF16", ... as safetensors names them
  std::vector<std::int64_t> shape;
  std::int64_t bytes = 0;
};

// Something in the file that is no tensor that can be read.
struct PassedOver {
  std::string name;
  std::string what;
};

struct Inspection {
  std::string architecture;                     // the sizes of the parts that are there, as JSON
  std::map<std::string, std::string> metadata;  // as the file has it, often JSON
  std::vector<TensorFacts> tensors;
  std::map<std::string, std::int64_t> bytes;  // by the first word of the tensors' names: "gpt", "vae", "t5"
  std::vector<PassedOver> passed_over;
  // Where it was checked: the parts whose tensors are all there, and the SHA-256 of every file.
  std::vector<std::string> whole;
  std::map<std::string, std::string> sha256;
};

struct InspectOptions {
  bool ema = false;    // as OpenOptions::ema
  bool check = false;  // reads everything; throws Error on a tensor that is missing, superfluous or misshapen, NaN, inf
};

SCALEKV_API Inspection inspect(const std::filesystem::path& file, const InspectOptions& options = {},
                               const WorkCallback& progress = {});

}  // namespace scalekv
