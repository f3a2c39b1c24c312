// The part of Python's pickle format that a file of tensors needs: https://docs.python.org/3/library/pickletools.html
// Nothing is ever executed: opcodes build inert values, the few calls that PyTorch's files make are understood by name
// (torch_objects.h), and every other opcode or call is refused by its name.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/byte_reader.h"
#include "core/dtype.h"
#include "core/shape.h"

namespace scalekv::checkpoint {

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

// Every tensor in the dictionaries and lists of a pickle, named by the keys on the way to it, joined by dots; all else
// in them is passed over. The keys of storages look at `pickle`. `where` is for messages.
// Throws Error on anything that is damaged, not allowed, too deep or too large.
std::vector<PickledTensor> read_pickled_tensors(std::string_view pickle, const std::string& where);

// The same for a pickle that other bytes follow: `reader` is left behind it.
std::vector<PickledTensor> read_pickled_tensors(ByteReader& reader);

// A pickle of a list of texts, which look at its bytes; `reader` is left behind it. Throws Error on anything else.
std::vector<std::string_view> read_pickled_texts(ByteReader& reader);

}  // namespace scalekv::checkpoint
