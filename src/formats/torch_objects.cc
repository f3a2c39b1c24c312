#include "formats/torch_objects.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/strict_json.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {
namespace {

using Kind = PickledValue::Kind;

struct NamedType {
  std::string_view name;
  DType dtype;
};

constexpr std::array kStorageTypes = {
    NamedType{"FloatStorage", DType::f32},     NamedType{"HalfStorage", DType::f16},
    NamedType{"BFloat16Storage", DType::bf16}, NamedType{"DoubleStorage", DType::f64},
    NamedType{"LongStorage", DType::i64},      NamedType{"IntStorage", DType::i32},
    NamedType{"ShortStorage", DType::i16},     NamedType{"CharStorage", DType::i8},
    NamedType{"ByteStorage", DType::u8},       NamedType{"UntypedStorage", DType::u8},
    NamedType{"BoolStorage", DType::boolean},
};

// Types that this program does not compute with, and the bytes of an element: a file may hold some that nobody asks
// for.
struct SizedType {
  std::string_view name;
  std::int64_t size;
};
constexpr std::array kOtherStorageTypes = {
    SizedType{"ComplexFloatStorage", 8}, SizedType{"ComplexDoubleStorage", 16}, SizedType{"QInt8Storage", 1},
    SizedType{"QUInt8Storage", 1},       SizedType{"QInt32Storage", 4},         SizedType{"QUInt4x2Storage", 1},
    SizedType{"QUInt2x4Storage", 1},
};

constexpr std::array kElementTypes = {
    NamedType{"float32", DType::f32},  NamedType{"float16", DType::f16}, NamedType{"bfloat16", DType::bf16},
    NamedType{"float64", DType::f64},  NamedType{"int64", DType::i64},   NamedType{"int32", DType::i32},
    NamedType{"int16", DType::i16},    NamedType{"int8", DType::i8},     NamedType{"uint8", DType::u8},
    NamedType{"uint16", DType::u16},   NamedType{"uint32", DType::u32},  NamedType{"uint64", DType::u64},
    NamedType{"bool", DType::boolean},
};

template <std::size_t N>
std::optional<DType> find_type(const std::array<NamedType, N>& types, std::string_view name) {
  for (const NamedType& type : types) {
    if (type.name == name) return type.dtype;
  }
  return {};
}

// The arguments of one call, with their kinds checked.
class Arguments {
 public:
  Arguments(const PickledValues& all, ValueId tuple, std::string where) : all_(all), where_(std::move(where)) {
    const PickledValue& value = all.values[tuple];
    if (value.kind != Kind::tuple) fail("{} is given something that is no tuple; the file is damaged", where_);
    items_ = value.items;
  }

  const std::string& where() const { return where_; }
  std::size_t size() const { return items_.size(); }

  ValueId id(std::size_t index) const {
    if (index >= items_.size()) {
      fail("{} is given {} arguments, too few; the file is damaged", where_, items_.size());
    }
    return items_[index];
  }

  const PickledValue& at(std::size_t index) const { return all_.values[id(index)]; }

  const PickledValue& at(std::size_t index, Kind kind, std::string_view what) const {
    const PickledValue& value = at(index);
    if (value.kind != kind) fail("{}: argument {} is not {}; the file is damaged", where_, index + 1, what);
    return value;
  }

  // A tuple of whole numbers of at least 0.
  std::vector<std::int64_t> sizes(std::size_t index, std::string_view what) const {
    const PickledValue& tuple = at(index, Kind::tuple, "a tuple of whole numbers");
    std::vector<std::int64_t> numbers;
    for (const ValueId item : tuple.items) {
      const PickledValue& number = all_.values[item];
      if (number.kind != Kind::integer || number.number < 0) {
        fail("{}: a {} that is {}, expected a whole number of at least 0; the file is damaged", where_, what,
             number.kind == Kind::integer ? fmt::format("{}", number.number) : "no number");
      }
      numbers.push_back(number.number);
    }
    return numbers;
  }

 private:
  const PickledValues& all_;
  std::string where_;
  std::span<const ValueId> items_;
};

constexpr std::size_t kMaxStorageKey = 256;  // bytes; PyTorch counts, or writes an address

// The last element that a tensor reaches plus one, in elements of its storage.
std::int64_t reach_of(const PickledTensor& tensor, const std::string& where) {
  std::int64_t reach = tensor.offset;
  bool overflow = __builtin_add_overflow(reach, 1, &reach);
  for (int d = 0; d < tensor.shape.rank(); ++d) {
    if (tensor.shape[d] == 0) return tensor.offset;
    std::int64_t step = 0;
    overflow = overflow ||
               __builtin_mul_overflow(tensor.shape[d] - 1, tensor.strides[static_cast<std::size_t>(d)], &step) ||
               __builtin_add_overflow(reach, step, &reach);
  }
  if (overflow)
    fail("{}: a tensor of shape {} reaches past every address; the file is damaged", where, tensor.shape.to_string());
  return reach;
}

// Throws Error where the window is not in its storage.
void check_window(const PickledTensor& tensor, const std::string& where) {
  const std::int64_t elements = tensor.storage_bytes / static_cast<std::int64_t>(dtype_size(tensor.dtype));
  const std::int64_t reach = reach_of(tensor, where);
  if (reach > elements) {
    fail("{}: a tensor of shape {} reaches to element {} of a storage of {}; the file is damaged", where,
         tensor.shape.to_string(), reach, elements);
  }
}

PickledValue unreadable(PickledValues& all, std::string reason) {
  all.reasons.push_back(std::move(reason));
  return {.kind = Kind::unreadable, .number = static_cast<std::int64_t>(all.reasons.size()) - 1};
}

// The element type that a call names; none where this program does not compute with it.
std::optional<DType> element_type(const PickledValue& type) {
  return type.text == "torch" ? find_type(kElementTypes, type.member) : std::nullopt;
}

// Whether the dictionary that may stand at `index` says that elements are to be negated or conjugated when they are
// read.
bool is_lazy_view(const PickledValues& all, const Arguments& arguments, std::size_t index) {
  if (index >= arguments.size() || arguments.at(index).kind != Kind::dict) return false;
  const std::vector<ValueId>& items = arguments.at(index).items;
  for (std::size_t i = 1; i < items.size(); i += 2) {
    const std::string_view key = all.values[items[i - 1]].text;
    if ((key == "neg" || key == "conj") && all.values[items[i]].number != 0) return true;
  }
  return false;
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata); in v3 the element type is argument
// 7, before the metadata.
PickledValue rebuild_tensor(PickledValues& all, const Arguments& arguments, bool has_type) {
  if (arguments.at(0).kind == Kind::object) return unreadable(all, "a tensor whose storage is no storage of PyTorch's");
  const PickledStorage& storage =
      all.storages[static_cast<std::size_t>(arguments.at(0, Kind::storage, "a storage").number)];
  PickledTensor tensor;
  tensor.storage = storage.key;
  tensor.storage_bytes = storage.bytes;
  std::optional<DType> dtype = storage.dtype;
  std::string type_name = fmt::format("torch.{}", storage.type);
  if (has_type) {
    const PickledValue& type = arguments.at(6, Kind::global, "an element type");
    if (dtype) dtype = element_type(type);
    type_name = fmt::format("{}.{}", type.text, type.member);
  }
  tensor.offset = arguments.at(1, Kind::integer, "a whole number").number;
  if (tensor.offset < 0) fail("{}: a storage offset of {}; the file is damaged", arguments.where(), tensor.offset);
  const std::vector<std::int64_t> sizes = arguments.sizes(2, "dimension");
  const std::vector<std::int64_t> strides = arguments.sizes(3, "stride");
  if (strides.size() != sizes.size()) {
    fail("{}: {} strides for {} dimensions; the file is damaged", arguments.where(), strides.size(), sizes.size());
  }
  if (!dtype) return unreadable(all, fmt::format("a tensor of type {}", in_quotes(type_name)));
  if (sizes.size() > kMaxRank) return unreadable(all, fmt::format("a tensor of {} dimensions", sizes.size()));
  if (is_lazy_view(all, arguments, has_type ? 7 : 6)) {
    return unreadable(all, "a tensor whose elements are to be negated or conjugated");
  }
  tensor.dtype = *dtype;
  tensor.shape = Shape(sizes);
  std::copy(strides.begin(), strides.end(), tensor.strides.begin());
  const std::int64_t bytes = checked_bytes(tensor.dtype, tensor.shape, arguments.where());
  check_window(tensor, arguments.where());
  if (bytes > tensor.storage_bytes) {
    return unreadable(
        all, fmt::format("a tensor of shape {} that repeats the elements of its storage", tensor.shape.to_string()));
  }
  all.tensors.push_back(tensor);
  return {.kind = Kind::tensor, .number = static_cast<std::int64_t>(all.tensors.size()) - 1};
}

// Items come later, by opcode; Python 2, which wrote some of the older files, gives them as a list of pairs. They are
// moved out of the list, so that many calls cannot multiply one list.
PickledValue make_ordered_dict(PickledValues& all, ValueId arguments_id, const std::string& where) {
  PickledValue dict{.kind = Kind::dict};
  const std::vector<ValueId>& arguments = all.values[arguments_id].items;
  if (arguments.empty()) return dict;
  PickledValue& pairs = all.values[arguments.front()];
  bool sound = arguments.size() == 1 && pairs.kind == Kind::list;
  for (const ValueId id : pairs.items) {
    const PickledValue& pair = all.values[id];
    sound = sound && (pair.kind == Kind::list || pair.kind == Kind::tuple) && pair.items.size() == 2;
    dict.items.insert(dict.items.end(), pair.items.begin(), pair.items.end());
  }
  if (!sound) fail("{} is given something else than pairs; the file is damaged", where);
  pairs.items.clear();
  return dict;
}

PickledValue object_named(const PickledValue& name) {
  return {.kind = Kind::object, .text = name.text, .member = name.member};
}

// An object that a function made: by its class where the function is a mere maker of objects and says which.
PickledValue make_called(const PickledValues& all, const PickledValue& callee, const std::vector<ValueId>& arguments) {
  const bool maker = callee.member.starts_with("_reconstruct") || callee.member.starts_with("__newobj");
  if (!maker || arguments.empty()) return object_named(callee);
  const PickledValue& type = all.values[arguments.front()];
  return object_named(type.kind == Kind::global ? type : callee);
}

// Parameters and subclasses of tensors: what they wrap, where that is a tensor.
PickledValue wrapped_tensor(const Arguments& arguments) {
  const PickledValue& inner = arguments.at(0);
  if (inner.kind == Kind::object || inner.kind == Kind::unreadable) return inner;
  return arguments.at(0, Kind::tensor, "a tensor");
}

// A subclass of Tensor: (function that makes the plain tensor, the class, its arguments, state).
PickledValue make_subclass(PickledValues& all, const PickledValue& callee, const Arguments& arguments,
                           const std::string& where) {
  const PickledValue& inner = arguments.at(0, Kind::global, "a function");
  // So that calls cannot nest without end.
  if (inner.text == callee.text) fail("{} calls {}; it is refused", arguments.where(), global_name(inner));
  // A copy: the call may move the values. NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
  const PickledValue type = arguments.at(1, Kind::global, "a class");
  arguments.at(2, Kind::tuple, "a tuple");
  PickledValue made = call_global(all, arguments.id(0), arguments.id(2), where);
  return made.kind == Kind::tensor || made.kind == Kind::unreadable ? made : object_named(type);
}

struct Advice {
  std::string_view mark;  // in the name of a class or a function
  std::string_view text;
};

constexpr std::array kAdvice = {
    Advice{"DTensor", "gather the shards first: save the full state dict of one process, as FULL_STATE_DICT gives it"},
    Advice{"ShardedTensor",
           "gather the shards first: save the full state dict of one process, as FULL_STATE_DICT gives it"},
    Advice{"_rebuild_wrapper_subclass", "gather the shards first: save the full state dict of one process"},
    Advice{"_rebuild_meta_tensor", "it has a shape but no data: save the model after its weights were loaded"},
    Advice{"FakeTensor", "it has a shape but no data: save the model after its weights were loaded"},
    Advice{"_rebuild_qtensor", "save the weights as they were before quantisation, or after dequantize()"},
    Advice{"_rebuild_sparse", "save it after to_dense()"},
    Advice{"_rebuild_nested", "save its parts as tensors of their own"},
    Advice{"numpy", "save it as a tensor: torch.from_numpy(...)"},
};

}  // namespace

std::string global_name(const PickledValue& global) {
  return in_quotes(global.member.empty() ? std::string(global.text) : fmt::format("{}.{}", global.text, global.member));
}

PassedOver describe(const PickledValues& all, const PickledValue& value) {
  if (value.kind == Kind::unreadable) {
    return {.name = {},
            .what = all.reasons[static_cast<std::size_t>(value.number)],
            .advice = "save it as a contiguous tensor of float32, float16 or bfloat16"};
  }
  if (value.kind == Kind::storage) return {.name = {}, .what = "a storage without a tensor"};
  PassedOver described{.name = {}, .what = global_name(value)};
  for (const Advice& advice : kAdvice) {
    if (described.what.find(advice.mark) == std::string::npos) continue;
    described.advice = advice.text;
    break;
  }
  if (value.kind == Kind::object) described.what.insert(0, "an object of ");
  return described;
}

PickledValue make_object(const PickledValues& all, ValueId type, const std::string& where) {
  const PickledValue& name = all.values[type];
  if (name.kind != Kind::global && name.kind != Kind::object) {
    fail("{}: it makes an object of something that is no class; the file is damaged", where);
  }
  return object_named(name);
}

PickledValue call_global(PickledValues& all, ValueId function, ValueId arguments_id, const std::string& where) {
  const PickledValue callee = all.values[function];
  if (callee.kind == Kind::object) return object_named(callee);
  if (callee.kind != Kind::global) fail("{}: it calls something that has no name; the file is damaged", where);
  const std::string name = fmt::format("{}.{}", callee.text, callee.member);
  const Arguments arguments(all, arguments_id, fmt::format("{}: {}", where, global_name(callee)));
  if (name == "torch._utils._rebuild_tensor_v2" || name == "torch._utils._rebuild_tensor") {
    return rebuild_tensor(all, arguments, false);
  }
  if (name == "torch._utils._rebuild_tensor_v3") return rebuild_tensor(all, arguments, true);
  if (name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state") {
    return wrapped_tensor(arguments);
  }
  if (name == "torch._tensor._rebuild_from_type_v2" || name == "torch._tensor._rebuild_from_type") {
    return make_subclass(all, callee, arguments, where);
  }
  if (name == "collections.OrderedDict") return make_ordered_dict(all, arguments_id, arguments.where());
  return make_called(all, callee, all.values[arguments_id].items);
}

PickledValue make_storage(PickledValues& all, ValueId id, const std::string& where) {
  const PickledValue& tuple = all.values[id];
  const bool is_storage = tuple.kind == Kind::tuple && !tuple.items.empty() &&
                          all.values[tuple.items.front()].kind == Kind::text &&
                          all.values[tuple.items.front()].text == "storage";
  if (!is_storage) return {.kind = Kind::object, .text = "persistent id"};
  const Arguments arguments(all, id, where + ": a storage");
  const PickledValue& type = arguments.at(1, Kind::global, "a storage type");
  PickledStorage storage{.key = arguments.at(2, Kind::text, "a name").text, .dtype = {}, .type = type.member};
  if (storage.key.size() > kMaxStorageKey)
    fail("{}: a storage's name of {} bytes; the file is damaged", where, storage.key.size());
  // Files of before 2018 may describe a storage as a part of another one here.
  if (arguments.size() > 5 && arguments.at(5).kind != Kind::opaque) {
    fail("{}: a storage that is a part of another one; load the file in PyTorch and save it again", where);
  }
  const bool torch = type.text == "torch" || type.text == "torch.storage";
  if (torch) storage.dtype = find_type(kStorageTypes, type.member);
  std::int64_t size = storage.dtype ? static_cast<std::int64_t>(dtype_size(*storage.dtype)) : 0;
  for (const SizedType& other : kOtherStorageTypes) {
    if (torch && other.name == type.member) size = other.size;
  }
  const std::int64_t elements = arguments.at(4, Kind::integer, "a whole number").number;
  if (elements < 0 || __builtin_mul_overflow(elements, size, &storage.bytes)) {
    fail("{}: storage {} of {} elements; the file is damaged", where, in_quotes(storage.key), elements);
  }
  if (size == 0) storage.bytes = kUnknownBytes;
  all.storages.push_back(storage);
  return {.kind = Kind::storage, .number = static_cast<std::int64_t>(all.storages.size()) - 1};
}

}  // namespace scalekv::formats
