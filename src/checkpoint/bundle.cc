#include "checkpoint/bundle.h"

#include <algorithm>

#include "checkpoint/mapped_file.h"
#include "checkpoint/safetensors.h"
#include "core/error.h"

namespace scalekv::checkpoint {
namespace {

// What stands before `marker` in the names of a source that holds it: "" or "gpt." or "trainer.gpt_fsdp." ...
// The shortest one; averaged copies ("ema") only where there is nothing else.
std::optional<std::string> find_prefix(const TensorSource& source, std::string_view marker) {
  std::optional<std::string> best;
  const auto rank = [](const std::string& prefix) {
    return std::pair(prefix.find("ema") != std::string::npos, prefix.size());
  };
  for (const TensorInfo& info : source.tensors()) {
    if (!info.name.ends_with(marker)) continue;
    std::string prefix = info.name.substr(0, info.name.size() - marker.size());
    if (!prefix.empty() && prefix.back() != '.') continue;
    if (!best || rank(prefix) < rank(*best)) best = std::move(prefix);
  }
  return best;
}

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

std::optional<WeightMap> find_transformer(const std::shared_ptr<const TensorSource>& source) {
  const auto prefix = find_prefix(*source, "word_embed.weight");
  if (!prefix) return {};
  return WeightMap(source, *prefix, "transformer");
}

std::optional<WeightMap> find_vae(const std::shared_ptr<const TensorSource>& source) {
  if (const auto prefix = find_prefix(*source, "decoder.conv_in.conv.weight")) return WeightMap(source, *prefix, "VAE");
  if (const auto prefix = find_prefix(*source, "decoder.conv_in.weight"))
    return WeightMap(source, *prefix, "VAE", with_infix);
  return {};
}

std::optional<WeightMap> find_text_encoder(const std::shared_ptr<const TensorSource>& source) {
  const auto prefix = find_prefix(*source, "encoder.final_layer_norm.weight");
  if (!prefix) return {};
  return WeightMap(source, *prefix, "text encoder");
}

std::string read_tokenizer(const TensorSource& source) {
  const TensorInfo* info = source.find(kTokenizerTensor);
  if (info == nullptr) return {};
  if (info->dtype != DType::u8)
    fail("{}: tensor \"{}\" is of type {}, expected U8", source.path().string(), kTokenizerTensor,
         dtype_name(info->dtype));
  const Tensor bytes = source.load(*info);
  return {static_cast<const char*>(bytes.raw()), static_cast<std::size_t>(bytes.bytes())};
}

Bundle bundle_of(const std::shared_ptr<const TensorSource>& source) {
  const auto entry = [&](const char* key) {
    const auto found = source->metadata().find(key);
    return found == source->metadata().end() ? std::string() : found->second;
  };
  return {.transformer = find_transformer(source),
          .vae = find_vae(source),
          .text_encoder = find_text_encoder(source),
          .text_config = {},
          .tokenizer = read_tokenizer(*source),
          .config_json = entry("config"),
          .calibration_json = entry("calibration"),
          .description = source->path().string()};
}

// The config.json of a folder of published files, where it has one.
std::filesystem::path config_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path path = folder / "config.json";
  return std::filesystem::exists(path, ignored) ? path : std::filesystem::path();
}

// A part from a path of its own; `what` is for messages.
template <typename Find>
void replace_part(std::optional<WeightMap>& part, const std::filesystem::path& path, const char* what,
                  const Find& find) {
  if (path.empty()) return;
  part = find(open_tensor_source(path));
  if (!part) fail("{} holds no {}", path.string(), what);
}

// The folder of published files, which `path` is or lies in.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return path;
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

std::string read_spiece_model(const std::filesystem::path& text_encoder) {
  if (!std::filesystem::exists(text_encoder)) fail("{}: there is no such file or folder", text_encoder.string());
  if (text_encoder.extension() == ".model" && !std::filesystem::is_directory(text_encoder)) {
    return std::string(MappedFile::open(text_encoder)->text());
  }
  const std::filesystem::path folder = folder_of(text_encoder);
  const std::filesystem::path file = folder / "spiece.model";
  if (std::filesystem::exists(file)) return std::string(MappedFile::open(file)->text());
  const bool other = std::filesystem::exists(folder / "tokenizer.json");
  fail(
      "{}: there is no spiece.model{}; fetch it, it lies beside the weights in huggingface.co/google/flan-t5-xl: hf "
      "download google/flan-t5-xl spiece.model --local-dir {}",
      folder.string(), other ? " (tokenizer.json beside it is not read)" : "", folder.string());
}

Bundle open_resident_bundle(const std::string& name, std::span<const std::byte> bytes) {
  return bundle_of(open_safetensors(MappedFile::resident(name, bytes)));
}

Bundle open_bundle(const BundlePaths& paths) {
  Bundle bundle;
  if (!paths.model.empty()) {
    bundle = bundle_of(open_tensor_source(paths.model));
    if (bundle.text_encoder && std::filesystem::is_directory(paths.model)) bundle.text_config = config_in(paths.model);
  }
  if (!paths.transformer.empty()) bundle.calibration_json.clear();  // another transformer's
  replace_part(bundle.transformer, paths.transformer, "Infinity transformer (word_embed.weight ...)", find_transformer);
  replace_part(bundle.vae, paths.vae, "VAE (decoder.conv_in ...)", find_vae);
  replace_part(bundle.text_encoder, paths.text_encoder, "T5 encoder (encoder.final_layer_norm.weight ...)",
               find_text_encoder);
  if (!paths.text_encoder.empty()) {
    bundle.tokenizer = read_spiece_model(paths.text_encoder);
    bundle.text_config = config_in(folder_of(paths.text_encoder));
  }
  for (const auto& path : {paths.transformer, paths.vae, paths.text_encoder}) {
    if (!path.empty()) bundle.description += (bundle.description.empty() ? "" : " + ") + path.string();
  }
  return bundle;
}

}  // namespace scalekv::checkpoint
