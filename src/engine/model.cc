#include "engine/model.h"

#include "backend/cpu.h"
#include "base/error.h"
#include "model/layer_tensors.h"
#include "model/random_model.h"
#include "runtime/available_memory.h"
#include "runtime/threads.h"

namespace scalekv::engine {

bool names_files(const std::filesystem::path& file, const OpenOptions& options) {
  return !file.empty() || !options.transformer.empty() || !options.vae.empty() || !options.text_encoder.empty();
}

model::Bundle open_bundle(const std::filesystem::path& file, const OpenOptions& options) {
  const bool files = names_files(file, options);
  if (options.ema && !files) fail_usage("`ema` chooses among the weights of a checkpoint; name one");
  if (options.random_architecture.empty()) {
    return files ? model::open_bundle({file, options.transformer, options.vae, options.text_encoder, options.ema})
                 : open_embedded_bundle();
  }
  if (files) fail_usage("random weights and a model's files exclude each other; name one of them");
  return model::random_bundle(model::find_architecture(options.random_architecture), 0);
}

std::shared_ptr<ModelFiles> files_of(model::Bundle bundle, const OpenOptions& options) {
  model::ModelSizes sizes = model::read_sizes(bundle, options.weights);
  auto tokenizer = std::make_shared<PromptTokenizer>(bundle.tokenizer, sizes.text.vocabulary, options.warn);
  return std::make_shared<ModelFiles>(ModelFiles{.file = {},
                                                 .options = options,
                                                 .bundle = std::move(bundle),
                                                 .sizes = std::move(sizes),
                                                 .tokenizer = std::move(tokenizer),
                                                 .calibration = nullptr,
                                                 .backend = std::make_shared<backend::CpuBackend>()});
}

std::shared_ptr<const ModelFiles> open_files(const std::filesystem::path& file, const OpenOptions& options) {
  Runtime::current().set_threads(options.threads);
  auto files = files_of(open_bundle(file, options), options);
  files->file = file;
  files->calibration = std::make_shared<ModelCalibration>(file, options, files->bundle, files->sizes.name);
  return files;
}

std::unique_ptr<Model> load_model(std::shared_ptr<const ModelFiles> files) {
  const model::ModelSizes& sizes = files->sizes;
  model::Bundle bundle = files->bundle;  // which notes what is used
  TextEncoder text_encoder(*bundle.text_encoder, sizes.text_weights, files->options.keep_text_encoder);
  files->backend->load(sizes.vae, *bundle.vae);
  std::optional<vae::Encoder> encoder;
  if (sizes.vae.encoder.levels() > 0) encoder.emplace(sizes.vae, *bundle.vae);
  model::expect_all_used(*bundle.vae, model::vae_table(sizes.vae));
  files->backend->load(sizes.transformer, *bundle.transformer, sizes.weights);
  bundle.transformer->drop_pages();
  return_freed_memory();  // of matrices on their way to another type or layout
  return std::make_unique<Model>(Model{*files, std::move(text_encoder), {}, std::move(encoder), {}});
}

std::unique_ptr<Model> open_model(const std::filesystem::path& file, const OpenOptions& options) {
  return load_model(open_files(file, options));
}

std::vector<View<const float>> encode_texts(Model& model, std::span<const std::string> texts) {
  std::vector<EncodedTexts::Ids> ids;
  for (const std::string& text : texts)
    ids.push_back(text.empty() ? EncodedTexts::Ids() : model.tokenizer->encode(text));
  return model.texts.encode(model.text_encoder, ids);
}

}  // namespace scalekv::engine
