#include <utility>

#include "engine/description.h"
#include "engine/pipeline_access.h"
#include "engine/run.h"

namespace scalekv {

Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

Pipeline Pipeline::open(const std::filesystem::path& model, const OpenOptions& options) {
  auto impl = std::make_unique<Impl>(options.threads);
  const Runtime::Scope scope(impl->runtime);
  auto files = engine::open_files(model, options);
  const engine::MemoryClaim claim = engine::claim_memory(files->sizes.weight_bytes, options, [&] {
    return engine::make_question(files, engine::resolve_request(*files, {.prompt = "a prompt"}));
  });
  impl->model = engine::load_model(std::move(files));
  impl->weights.emplace();
  const model::ModelSizes& sizes = impl->model->sizes;
  impl->facts = {.name = sizes.name,
                 .depth = sizes.transformer.depth,
                 .width = sizes.transformer.width,
                 .heads = sizes.transformer.heads,
                 .bits = sizes.transformer.bits,
                 .patchify = sizes.transformer.patchify,
                 .pixels_per_token = sizes.pixels_per_token(),
                 .weight_bytes = ledger().current(MemoryKind::weights),
                 .weights = std::string(weight_type_name(sizes.weights)),
                 .default_size = sizes.defaults.size};
  return Pipeline(std::move(impl));
}

const ModelFacts& Pipeline::facts() const { return impl_->facts; }

Image Pipeline::generate(const Request& request, const ProgressCallback& progress) {
  Request one = request;
  one.images = 1;
  return std::move(run(one, progress).images.front());
}

Result Pipeline::run(const Request& request, const ProgressCallback& progress, const Previews& previews) {
  const Runtime::Scope scope(impl_->runtime);
  return engine::run(*impl_->model, engine::resolve_request(*impl_->model, request), progress, previews);
}

Result Pipeline::run(const Request& common, const std::vector<Prompt>& prompts, const ProgressCallback& progress,
                     const Previews& previews) {
  const Runtime::Scope scope(impl_->runtime);
  const engine::ResolvedRequest resolved = engine::resolve_pictures(*impl_->model, common, prompts);
  return engine::run(*impl_->model, resolved, prompts, progress, previews);
}

void Pipeline::cancel() { impl_->runtime.cancel(); }

Image Pipeline::reconstruct(const Image& image, const std::string& size) {
  const Runtime::Scope scope(impl_->runtime);
  return engine::reconstruct(*impl_->model, image, size);
}

std::map<std::string, std::string> Pipeline::describe(const Request& request, int image) const {
  const Runtime::Scope scope(impl_->runtime);
  return engine::describe_picture(*impl_->model, engine::resolve_request(*impl_->model, request), image);
}

}  // namespace scalekv
