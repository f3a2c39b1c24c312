// What the opcodes of a pickle build: values in one arena, which refer to each other by number, so that neither cycles
// nor depth can do harm when they are freed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle.h"

namespace scalekv::formats {

using ValueId = std::uint32_t;

struct PickledValue {
  enum class Kind : std::uint8_t {
    opaque,      // something that exists but does not matter: None, bytes
    integer,     // `number`; also True and False
    real,        // `number` holds the bits of a double
    text,        // `text`
    list,        // `items`
    tuple,       // `items`
    dict,        // `items`: key, value, key, value ...
    global,      // `text` is the module, `member` the name in it; never called, only recognised
    object,      // what a call or a class would have made; `text` and `member` name it. Nothing was made.
    storage,     // `number` is the index in PickledValues::storages
    tensor,      // `number` is the index in PickledValues::tensors
    unreadable,  // a tensor that this program cannot use; `number` is the index in PickledValues::reasons
  };
  Kind kind = Kind::opaque;
  std::int64_t number = 0;
  std::string_view text = {};
  std::string_view member = {};
  std::vector<ValueId> items = {};
};

struct PickledStorage {
  std::string_view key;
  std::optional<DType> dtype;  // none: a type that this program does not compute with
  std::int64_t bytes = 0;      // kUnknownBytes where the type is not known at all
  std::string_view type = {};  // "ComplexFloatStorage"
};

struct PickledValues {
  std::vector<PickledValue> values;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  std::vector<std::string> reasons;  // "a tensor of 7 dimensions"
};

}  // namespace scalekv::formats
