// scalekv inspect: what a model file holds.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "checkpoint/bundle.h"
#include "cli/commands.h"
#include "core/error.h"
#include "infinity/config.h"
#include "text/config.h"
#include "vae/config.h"

namespace scalekv::cli {
namespace {

struct InspectOptions {
  std::filesystem::path file;
  bool check = false;
  bool json = false;
};

// Everything before the first dot, where the engine's parts are told apart ("gpt", "vae", "t5").
std::string component_of(const std::string& name) { return name.substr(0, name.find('.')); }

// Throws Error naming the first tensor that holds a NaN or an infinity.
void check_finite(const checkpoint::TensorSource& source) {
  for (const checkpoint::TensorInfo& info : source.tensors()) {
    const bool floating =
        info.dtype == DType::f32 || info.dtype == DType::f16 || info.dtype == DType::bf16 || info.dtype == DType::f64;
    if (!floating) continue;
    const Tensor values = source.load(info).convert_to_float(MemoryKind::other);
    const View<const float> view = values.view<float>();
    for (std::int64_t i = 0; i < view.elements(); ++i) {
      if (!std::isfinite(view.data()[i])) {
        fail("{}: tensor \"{}\" holds {} at element {}; the file is damaged, download it again", info.file.string(),
             info.name, view.data()[i], i);
      }
    }
  }
}

// Depth, width and the like, as far as the tensors tell.
nlohmann::json architecture_of(const checkpoint::Bundle& bundle) {
  nlohmann::json facts = nlohmann::json::object();
  std::int64_t codebook = 0;
  if (bundle.vae) {
    const vae::VaeConfig vae = vae::infer_vae_config(*bundle.vae);
    codebook = vae.codebook;
    facts["vae"] = {
        {"codebook", vae.codebook}, {"stride", vae.stride()}, {"base", vae.base}, {"ch_mult", vae.multipliers}};
  }
  if (bundle.transformer && bundle.vae) {
    const infinity::InfinityConfig config = infinity::infer_infinity_config(*bundle.transformer, codebook);
    facts["infinity"] = {{"depth", config.depth}, {"width", config.width},           {"heads", config.heads},
                         {"bits", config.bits},   {"text_width", config.text_width}, {"patchify", config.patchify}};
  }
  if (bundle.text_encoder) {
    const text::T5Config text = text::infer_t5_config(*bundle.text_encoder);
    facts["t5"] = {
        {"layers", text.layers}, {"width", text.width}, {"heads", text.heads}, {"vocabulary", text.vocabulary}};
  }
  facts["tokenizer_bytes"] = bundle.tokenizer.size();
  return facts;
}

void inspect(const InspectOptions& options) {
  const auto source = checkpoint::open_tensor_source(options.file);
  if (options.check) check_finite(*source);
  std::map<std::string, std::int64_t> totals;
  for (const checkpoint::TensorInfo& info : source->tensors()) totals[component_of(info.name)] += info.bytes;
  const nlohmann::json architecture = architecture_of(checkpoint::open_bundle({.model = options.file}));
  if (options.json) {
    nlohmann::json report = {{"file", options.file.string()},
                             {"metadata", source->metadata()},
                             {"bytes", totals},
                             {"architecture", architecture}};
    for (const checkpoint::TensorInfo& info : source->tensors()) {
      report["tensors"].push_back({{"name", info.name},
                                   {"dtype", dtype_name(info.dtype)},
                                   {"shape", info.shape.sizes()},
                                   {"bytes", info.bytes}});
    }
    fmt::print("{}\n", report.dump(2));
    return;
  }
  for (const checkpoint::TensorInfo& info : source->tensors()) {
    fmt::print("{:<60} {:<5} {:>22} {:>12}\n", info.name, dtype_name(info.dtype), info.shape.to_string(), info.bytes);
  }
  for (const auto& [component, bytes] : totals) fmt::print("{:<60} {:>41} bytes\n", component, bytes);
  for (const auto& [part, facts] : architecture.items()) fmt::print("{}: {}\n", part, facts.dump());
  if (options.check) fmt::print("every value is finite\n");
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "list what a model file holds");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("file", options->file, "model file (.safetensors)")->required();
  command->add_flag("--check", options->check, "read every value; fail on NaN and infinity");
  command->add_flag("--json", options->json, "as JSON");
  command->callback([options] { inspect(*options); });
}

}  // namespace scalekv::cli
