#include "scalekv/inspect.h"

#include <set>
#include <span>

#include "base/progress.h"
#include "base/sha256.h"
#include "formats/tensor_source.h"
#include "model/model_config.h"
#include "model/parts.h"
#include "runtime/runtime.h"

namespace scalekv {

Inspection inspect(const std::filesystem::path& file, const InspectOptions& options, const WorkCallback& progress) {
  Runtime runtime;
  const Runtime::Scope scope(runtime);
  const model::Bundle bundle = model::open_bundle({.model = file, .ema = options.ema});
  const formats::TensorSource& source = *bundle.source;
  Inspection found;
  found.architecture = model::describe_architecture(bundle).dump();
  for (const auto& [key, value] : source.metadata()) found.metadata[key] = value;
  std::set<std::filesystem::path> files;
  for (const formats::TensorInfo& info : source.tensors()) {
    found.bytes[info.name.substr(0, info.name.find('.'))] += info.bytes;
    const std::span<const std::int64_t> shape = info.shape.sizes();
    found.tensors.push_back({info.name, std::string(dtype_name(info.dtype)), {shape.begin(), shape.end()}, info.bytes});
    files.insert(info.file);
  }
  for (const formats::PassedOver& thing : source.passed_over()) found.passed_over.push_back({thing.name, thing.what});
  if (!options.check) return found;
  const WorkProgress work = work_progress(progress);
  found.whole = model::check_shapes(bundle);
  formats::check_finite(source, work);
  for (const std::filesystem::path& part : files) found.sha256[part.string()] = hash_file(part, work);
  return found;
}

}  // namespace scalekv
