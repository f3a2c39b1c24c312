// A model as the engine sees it: transformer, VAE, text encoder and tokenizer, from one file or from three paths.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/weight_map.h"

namespace scalekv::model {

// In our one file: the SentencePiece model file, as bytes.
inline constexpr std::string_view kTokenizerTensor = "tokenizer.spiece";

// Where the parts lie. Either `model` (our one file, docs/FORMATS.md) or the three published paths; a path given
// beside `model` replaces that part.
struct BundlePaths {
  std::filesystem::path model = {};
  std::filesystem::path transformer = {};   // infinity_2b_reg.pth, infinity_8b_weights/
  std::filesystem::path vae = {};           // infinity_vae_d32reg.pth
  std::filesystem::path text_encoder = {};  // flan-t5-xl/ (config.json, weights, spiece.model)
  // The exponential moving averages of the transformer, and of the VAE where its file has them, in place of the weights
  // themselves. Throws UsageError where the transformer's file has none.
  bool ema = false;
};

struct Bundle {
  std::optional<formats::WeightMap> transformer;
  std::optional<formats::WeightMap> vae;
  std::optional<formats::WeightMap> text_encoder;
  std::filesystem::path text_config;  // the config.json beside the text encoder's published files; may be empty
  std::string tokenizer;              // the SentencePiece model file's bytes
  bool random = false;                // weights are made in memory as they are asked for; there is no tokenizer
  std::string config_json;       // our metadata `config`, or what was found beside the published files; may be empty
  std::string calibration_json;  // our metadata `calibration`: what was measured of the transformer; may be empty
  std::string description;       // for messages
  std::shared_ptr<const formats::TensorSource> source =
      nullptr;  // what lies at BundlePaths::model, where that is named
};

// The same for a model in memory: one file's bytes, which live as long as the program. `name` is for messages.
Bundle open_resident_bundle(const std::string& name, std::span<const std::byte> bytes);

// The SentencePiece model of a text encoder: spiece.model in a folder of published files or beside one of them, or the
// file itself where its name ends in ".model". Throws Error saying what to fetch where there is none.
std::string read_spiece_model(const std::filesystem::path& text_encoder);

// Opens the parts that exist. Throws Error naming the path and what is wrong with it.
Bundle open_bundle(const BundlePaths& paths);

}  // namespace scalekv::model
