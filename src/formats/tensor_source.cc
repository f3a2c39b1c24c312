#include "formats/tensor_source.h"

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/foreign_file.h"
#include "formats/legacy_pytorch.h"
#include "formats/pytorch_file.h"
#include "formats/safetensors.h"
#include "formats/sharded_folder.h"
#include "formats/zip_archive.h"

namespace scalekv::formats {

const TensorInfo* TensorSource::find(std::string_view name) const { return find_named(tensors(), name); }

const std::map<std::string, std::string>& TensorSource::metadata() const {
  static const std::map<std::string, std::string> none;
  return none;
}

const std::vector<PassedOver>& TensorSource::passed_over() const {
  static const std::vector<PassedOver> none;
  return none;
}

std::shared_ptr<const TensorSource> open_tensor_file(const std::filesystem::path& path) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  if (looks_like_zip(*file) || looks_like_legacy_pytorch(*file)) return open_pytorch(std::move(file));
  if (looks_like_safetensors(*file)) return open_safetensors(std::move(file));
  refuse_foreign(*file);
}

std::shared_ptr<const TensorSource> open_tensor_source(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_model_folder(path);
  return path.extension() == ".json" ? open_index(path) : open_tensor_file(path);
}

}  // namespace scalekv::formats
