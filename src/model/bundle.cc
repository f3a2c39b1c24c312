#include "model/bundle.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strict_json.h"
#include "formats/foreign_file.h"
#include "formats/safetensors.h"
#include "model/weight_names.h"

namespace scalekv::model {
namespace {

// VAE files name a convolution's weight "conv1.conv.weight" or "conv1.weight"; the engine knows the first form.
std::string with_infix(std::string_view name) {
  const auto last_dot = name.rfind('.');
  if (last_dot == std::string_view::npos) return std::string(name);
  const std::string_view owner = name.substr(0, last_dot);
  const std::string_view part = owner.substr(owner.rfind('.') + 1);
  const std::string_view infix = part.starts_with("norm")                             ? ".norm"
                                 : part.starts_with("conv") || part == "nin_shortcut" ? ".conv"
                                                                                      : "";
  return std::string(owner) + std::string(infix) + std::string(name.substr(last_dot));
}

// Names that only one network has, in the forms that files hold, and what it is for messages.
struct Network {
  const char* component;
  const char* sought;
  std::array<std::string_view, 2> markers;
};

constexpr Network kTransformer = {
    "transformer", "Infinity transformer (word_embed.weight ...)", {"word_embed.weight", ""}};
constexpr Network kVae = {
    "VAE", "VAE (decoder.conv_in ...)", {"decoder.conv_in.conv.weight", "decoder.conv_in.weight"}};
constexpr Network kTextEncoder = {
    "text encoder", "T5 encoder (encoder.final_layer_norm.weight ...)", {"encoder.final_layer_norm.weight", ""}};

// A part of a file, and what else the file could have given in its place.
struct FoundPart {
  std::optional<formats::WeightMap> weights;
  bool averaged = false;
  std::vector<std::string> others;  // prefixes
};

FoundPart find_part(const std::shared_ptr<const formats::TensorSource>& source, const Network& network,
                    bool want_averaged) {
  for (const std::string_view marker : network.markers) {
    if (marker.empty()) continue;
    const std::vector<WeightPrefix> prefixes = find_prefixes(*source, marker);
    if (prefixes.empty()) continue;
    const auto averaged =
        std::find_if(prefixes.begin(), prefixes.end(), [](const WeightPrefix& prefix) { return prefix.averaged; });
    const WeightPrefix& chosen = want_averaged && averaged != prefixes.end() ? *averaged : prefixes.front();
    const bool infix = marker == network.markers[1];
    const auto rename = [infix](std::string_view name) {
      return infix ? with_infix(unwrapped(name)) : unwrapped(name);
    };
    FoundPart part{.weights = formats::WeightMap(source, chosen.text, network.component, rename),
                   .averaged = chosen.averaged,
                   .others = {}};
    for (const WeightPrefix& prefix : prefixes) part.others.push_back(in_quotes(prefix.text));
    return part;
  }
  return {};
}

std::string read_tokenizer(const formats::TensorSource& source) {
  const formats::TensorInfo* info = source.find(kTokenizerTensor);
  if (info == nullptr) return {};
  if (info->dtype != DType::u8)
    fail("{}: tensor \"{}\" is of type {}, expected U8", source.path().string(), kTokenizerTensor,
         dtype_name(info->dtype));
  const Tensor bytes = source.load(*info);
  return {static_cast<const char*>(bytes.raw()), static_cast<std::size_t>(bytes.bytes())};
}

// The parts of one bundle while they are found.
struct FoundParts {
  FoundPart transformer, vae, text_encoder;
};

FoundParts find_parts(const std::shared_ptr<const formats::TensorSource>& source, bool averaged) {
  return {find_part(source, kTransformer, averaged), find_part(source, kVae, averaged),
          find_part(source, kTextEncoder, false)};
}

// All but the parts.
Bundle read_metadata(const formats::TensorSource& source) {
  const auto entry = [&](const char* key) {
    const auto found = source.metadata().find(key);
    return found == source.metadata().end() ? std::string() : found->second;
  };
  return {.transformer = {},
          .vae = {},
          .text_encoder = {},
          .text_config = {},
          .tokenizer = read_tokenizer(source),
          .config_json = entry("config"),
          .calibration_json = entry("calibration"),
          .description = source.path().string()};
}

void set_parts(Bundle& bundle, FoundParts parts) {
  bundle.transformer = std::move(parts.transformer.weights);
  bundle.vae = std::move(parts.vae.weights);
  bundle.text_encoder = std::move(parts.text_encoder.weights);
}

// The config.json of a folder of published files, where it has one.
std::filesystem::path config_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path path = folder / "config.json";
  return std::filesystem::exists(path, ignored) ? path : std::filesystem::path();
}

// A part from a path of its own.
void replace_part(FoundPart& part, const std::filesystem::path& path, const Network& network, bool averaged) {
  if (path.empty()) return;
  part = find_part(formats::open_tensor_source(path), network, averaged);
  if (!part.weights) fail("{} holds no {}", path.string(), network.sought);
}

// The average of a transformer is what is asked for; a VAE's alone will do where no other transformer is named.
void require_averaged(const FoundParts& parts, const BundlePaths& paths) {
  if (parts.transformer.averaged || (paths.transformer.empty() && parts.vae.averaged)) return;
  const FoundPart& part = parts.transformer.weights ? parts.transformer : parts.vae;
  if (!part.weights) fail_usage("there are no weights to take averages of; name a checkpoint that holds them (ema)");
  fail_usage("{} has no averaged copy (EMA) in its file, only {}; leave out `ema`", part.weights->description(),
             fmt::join(part.others, ", "));
}

// The folder of published files, which `path` is or lies in.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return path;
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::string read_tokenizer(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  formats::refuse_stand_in(*file);
  return std::string(file->text());
}

}  // namespace

std::string read_spiece_model(const std::filesystem::path& text_encoder) {
  if (!std::filesystem::exists(text_encoder)) fail("{}: there is no such file or folder", text_encoder.string());
  if (text_encoder.extension() == ".model" && !std::filesystem::is_directory(text_encoder)) {
    return read_tokenizer(text_encoder);
  }
  const std::filesystem::path folder = folder_of(text_encoder);
  const std::filesystem::path file = folder / "spiece.model";
  if (std::filesystem::exists(file)) return read_tokenizer(file);
  const bool other = std::filesystem::exists(folder / "tokenizer.json");
  fail(
      "{}: there is no spiece.model{}; fetch it, it lies beside the weights in huggingface.co/google/flan-t5-xl: hf "
      "download google/flan-t5-xl spiece.model --local-dir {}",
      folder.string(), other ? " (tokenizer.json beside it is not read)" : "", folder.string());
}

Bundle open_resident_bundle(const std::string& name, std::span<const std::byte> bytes) {
  const std::shared_ptr<const formats::TensorSource> source =
      formats::open_safetensors(MappedFile::resident(name, bytes));
  Bundle bundle = read_metadata(*source);
  set_parts(bundle, find_parts(source, false));
  return bundle;
}

Bundle open_bundle(const BundlePaths& paths) {
  Bundle bundle;
  FoundParts parts;
  if (!paths.model.empty()) {
    const auto source = formats::open_tensor_source(paths.model);
    bundle = read_metadata(*source);
    bundle.source = source;
    parts = find_parts(source, paths.ema);
    if (parts.text_encoder.weights && std::filesystem::is_directory(paths.model))
      bundle.text_config = config_in(paths.model);
  }
  if (!paths.transformer.empty()) bundle.calibration_json.clear();  // another transformer's
  replace_part(parts.transformer, paths.transformer, kTransformer, paths.ema);
  replace_part(parts.vae, paths.vae, kVae, paths.ema);
  replace_part(parts.text_encoder, paths.text_encoder, kTextEncoder, false);
  if (paths.ema) require_averaged(parts, paths);
  set_parts(bundle, std::move(parts));
  if (!paths.text_encoder.empty()) {
    bundle.tokenizer = read_spiece_model(paths.text_encoder);
    bundle.text_config = config_in(folder_of(paths.text_encoder));
  }
  for (const auto& path : {paths.transformer, paths.vae, paths.text_encoder}) {
    if (!path.empty()) bundle.description += (bundle.description.empty() ? "" : " + ") + path.string();
  }
  return bundle;
}

}  // namespace scalekv::model
