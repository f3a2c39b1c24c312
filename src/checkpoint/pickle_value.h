// What the opcodes of a pickle build: values in one arena, which refer to each other by number, so that neither cycles
// nor depth can do harm when they are freed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "checkpoint/pickle.h"

namespace scalekv::checkpoint {

using ValueId = std::uint32_t;

struct PickledValue {
  enum class Kind : std::uint8_t {
    opaque,   // something that exists but does not matter: None, a real number, bytes, a device
    integer,  // `number`; also True and False
    text,     // `text`
    list,     // `items`
    tuple,    // `items`
    dict,     // `items`: key, value, key, value ...
    global,   // `text` is the module, `member` the name in it; never called, only recognised
    storage,  // `number` is the index in PickledValues::storages
    tensor,   // `number` is the index in PickledValues::tensors
  };
  Kind kind = Kind::opaque;
  std::int64_t number = 0;
  std::string_view text = {};
  std::string_view member = {};
  std::vector<ValueId> items = {};
};

struct PickledStorage {
  std::string_view key;
  DType dtype = DType::u8;
  std::int64_t bytes = 0;
};

struct PickledValues {
  std::vector<PickledValue> values;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
};

}  // namespace scalekv::checkpoint
