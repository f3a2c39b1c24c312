// The part of Python's pickle format that a file of tensors needs: https://docs.python.org/3/library/pickletools.html
// Nothing is ever executed: opcodes build inert values, the few calls that make PyTorch's tensors are understood by
// name (torch_objects.h), every other call or class becomes a placeholder, and names that can only do harm are refused
// (harmful_globals.h).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/byte_reader.h"
#include "formats/tensor_source.h"
#include "runtime/dtype.h"
#include "runtime/shape.h"

namespace scalekv::formats {

inline constexpr std::int64_t kUnknownBytes = -1;

// A tensor as a pickle describes it: a window on a storage, which is a run of bytes of its own elsewhere in the
// archive.
struct PickledTensor {
  std::string name;
  std::string_view storage;  // its key
  std::int64_t storage_bytes = 0;
  DType dtype = DType::f32;
  std::int64_t offset = 0;  // in elements, like the strides
  Shape shape;
  std::array<std::int64_t, kMaxRank> strides{};
};

struct PickledContents {
  // Every tensor in the dictionaries and lists of a pickle, named by the keys on the way to it, joined by dots.
  std::vector<PickledTensor> tensors;
  // What else is in them, but for numbers, texts, bytes and None.
  std::vector<PassedOver> passed_over;
  // Bytes of every storage that the pickle knows, by key, needed or not; may be kUnknownBytes.
  std::map<std::string_view, std::int64_t> storages;
};

// The keys of storages look at `pickle`. `where` is for messages.
// Throws Error on anything that is damaged, harmful or too large.
PickledContents read_pickled_tensors(std::string_view pickle, const std::string& where);

// The same for a pickle that other bytes follow: `reader` is left behind it.
PickledContents read_pickled_tensors(ByteReader& reader);

// A pickle of a list of texts, which look at its bytes; `reader` is left behind it. Throws Error on anything else.
std::vector<std::string_view> read_pickled_texts(ByteReader& reader);

}  // namespace scalekv::formats
