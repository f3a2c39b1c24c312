#include "checkpoint/tensor_source.h"

#include <algorithm>

#include "checkpoint/mapped_file.h"
#include "checkpoint/safetensors.h"
#include "core/error.h"

namespace scalekv::checkpoint {

const TensorInfo* TensorSource::find(std::string_view name) const {
  const std::vector<TensorInfo>& all = tensors();
  const auto found = std::lower_bound(all.begin(), all.end(), name,
                                      [](const TensorInfo& info, std::string_view wanted) { return info.name < wanted; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

std::shared_ptr<const TensorSource> open_tensor_source(const std::filesystem::path& path) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  if (looks_like_safetensors(*file)) return open_safetensors(std::move(file));
  fail("{} is not a .safetensors file", path.string());
}

}  // namespace scalekv::checkpoint
