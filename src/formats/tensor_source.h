// A place that holds named tensors: a .safetensors file, a folder of shards, a PyTorch archive.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/passed_over.h"
#include "runtime/tensor.h"

namespace scalekv::formats {

struct TensorInfo {
  std::string name = {};
  DType dtype = DType::f32;
  Shape shape = {};
  std::int64_t bytes = 0;
  std::filesystem::path file = {};
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // Every tensor, sorted by name.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // The tensor's elements, mapped from the file (nothing is read until it is touched) wherever its layout allows it.
  // Throws Error naming file and tensor.
  virtual Tensor load(const TensorInfo& info) const = 0;
  // The file's own string metadata (empty where the format has none).
  virtual const std::map<std::string, std::string>& metadata() const;
  // What else it holds under a name: things that are no tensors, and tensors that this program does not read.
  virtual const std::vector<PassedOver>& passed_over() const;
  // For messages: the path that was opened.
  virtual const std::filesystem::path& path() const = 0;

  // Gives the memory of pages that were read back to the system; they are read again when they are touched again.
  virtual void drop_pages() const {}

  // nullptr where there is none of that name.
  const TensorInfo* find(std::string_view name) const;
};

// Opens what lies at `path`: a .safetensors file, a Hugging Face folder (or its index .json), a PyTorch .pth/.pt/.bin
// archive. Throws Error in one sentence on anything damaged, hostile or unknown.
std::shared_ptr<const TensorSource> open_tensor_source(const std::filesystem::path& path);

// The same for one file that holds its tensors itself: .safetensors or a PyTorch archive.
std::shared_ptr<const TensorSource> open_tensor_file(const std::filesystem::path& path);

}  // namespace scalekv::formats
