// A place that holds named tensors: a .safetensors file, a folder of shards, a PyTorch archive.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/progress.h"
#include "runtime/tensor.h"

namespace scalekv::formats {

// What a file of weights holds beside tensors that can be read. It does no harm until it is asked for as a weight.
struct PassedOver {
  std::string name;              // as a tensor's would be; may hold any bytes
  std::string what;              // "an object of class \"numpy.ndarray\"", "a tensor of type F8_E4M3"
  std::string_view advice = {};  // how it becomes a weight that can be read; static text
};

// The one of that name in a list sorted by name; nullptr where there is none.
template <typename Named>
const Named* find_named(const std::vector<Named>& sorted, std::string_view name) {
  const auto found = std::ranges::lower_bound(sorted, name, {}, &Named::name);
  return found != sorted.end() && found->name == name ? &*found : nullptr;
}

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

// Bytes that `elements` of `dtype` take. Throws Error naming `where` where the count overflows.
std::int64_t checked_bytes(DType dtype, const Shape& shape, const std::string& where);

// A tensor over bytes of a mapped file: borrowed where the address suits the element type, else copied.
Tensor borrow_or_copy(DType dtype, const Shape& shape, const std::byte* data, std::shared_ptr<const MappedFile> file);

// Sorts by name. Throws Error where two tensors have the same name.
void sort_by_name(std::vector<TensorInfo>& tensors);

// Whether a type is one of weights.
bool is_floating(DType dtype);

// Throws Error naming file and tensor where one of `values` is a NaN or an infinity. They are the tensor's elements
// from `first` on.
void check_finite(View<const float> values, std::int64_t first, const TensorInfo& info);

// The same for every tensor of weights in a source; reads all of it, piece by piece.
void check_finite(const TensorSource& source, const WorkProgress& progress);

// Fails for a file, `where`, that holds nothing else, saying what the first of these is. At least one.
[[noreturn]] void refuse_without_tensors(const std::string& where, const std::vector<PassedOver>& others);

// What to do about a thing that was wanted as a weight.
std::string_view advice_for(const PassedOver& thing);

}  // namespace scalekv::formats
