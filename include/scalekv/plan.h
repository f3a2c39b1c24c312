// What a request will take, known from names and shapes alone: no weight is loaded, nothing is allocated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "scalekv/api.h"
#include "scalekv/pipeline.h"

namespace scalekv {

// A field of OpenOptions, Request or CacheSettings, and the value to give it: {"weights", "int8"}, {"budget", "4%"}.
struct Setting {
  std::string name;
  std::string value;

  bool operator==(const Setting&) const = default;
};

// A request that takes less, by its settings that differ from the one that was planned.
struct Alternative {
  std::vector<Setting> settings;
  std::int64_t peak_bytes = 0;
};

struct Plan {
  std::string model;
  std::string size;                                 // "1M"
  double aspect = 1.0;                              // height / width, of the model's fifteen
  std::string policy;                               // never "auto", but what that comes to
  std::map<std::string, std::string> policy_facts;  // as Pipeline::describe has them
  std::string weights;                              // how matrices are held
  int together = 1;                                 // pictures drawn together
  std::int64_t prompt_tokens = 0;

  // Bytes at the worst moment, by kind.
  std::int64_t weight_bytes = 0;        // transformer and VAE
  std::int64_t text_encoder_bytes = 0;  // its weights: freed when texts are encoded, unless they are to be kept
  std::int64_t kv_bytes = 0;            // keys and values, the current token map included
  std::int64_t kv_bytes_full = 0;       // the same of a full cache of the same precision
  std::int64_t activation_bytes = 0;
  std::int64_t text_bytes = 0;
  std::int64_t vae_bytes = 0;
  // The same by what is alive together: while texts are encoded, pictures drawn, pictures decoded.
  std::int64_t encoding_bytes = 0;
  std::int64_t drawing_bytes = 0;
  std::int64_t decoding_bytes = 0;
  std::int64_t peak_bytes = 0;  // the largest of the three
  // MiB of KV cache as the paper counts them: history only, keys in 4 and values in 2 bytes, 8 guided images.
  double kv_paper_mebibytes = 0.0;
  double kv_paper_mebibytes_full = 0.0;

  std::int64_t available_bytes = 0;    // OpenOptions::memory_limit, or what the machine or the container has left
  std::vector<Alternative> would_fit;  // where it does not fit: what would; empty where nothing does

  bool fits() const { return peak_bytes <= available_bytes; }
};

// model, options: as Pipeline::open takes them. prompt_tokens: how long the prompt is, 1 to 512; 0: as long as the
// request's, which may be empty otherwise. With face_prompt the sentence's tokens are added to a length that is given.
// Throws as Pipeline::run does of the request, and as Pipeline::open of a file, but not where memory is short.
SCALEKV_API Plan plan(const std::filesystem::path& model, const OpenOptions& options, const Request& request,
                      std::int64_t prompt_tokens = 0);

}  // namespace scalekv
