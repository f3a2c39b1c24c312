#include "checkpoint/torch_objects.h"

#include <algorithm>
#include <optional>
#include <span>

#include "checkpoint/mapped_tensors.h"
#include "checkpoint/strict_json.h"
#include "core/error.h"

namespace scalekv::checkpoint {
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

  const PickledValue& at(std::size_t index) const {
    if (index >= items_.size()) {
      fail("{} is given {} arguments, too few; the file is damaged", where_, items_.size());
    }
    return all_.values[items_[index]];
  }

  const PickledValue& at(std::size_t index, Kind kind, std::string_view what) const {
    const PickledValue& value = at(index);
    if (value.kind != kind) fail("{}: argument {} is not {}; the file is damaged", where_, index + 1, what);
    return value;
  }

  // A tuple of at most kMaxRank whole numbers of at least 0.
  std::vector<std::int64_t> sizes(std::size_t index, std::string_view what) const {
    const PickledValue& tuple = at(index, Kind::tuple, "a tuple of whole numbers");
    if (tuple.items.size() > kMaxRank) {
      fail("{}: a tensor of {} dimensions, expected at most {}", where_, tuple.items.size(), kMaxRank);
    }
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

void check_window(const PickledTensor& tensor, const std::string& where) {
  const std::int64_t bytes = checked_bytes(tensor.dtype, tensor.shape, where);
  const std::int64_t elements = tensor.storage_bytes / static_cast<std::int64_t>(dtype_size(tensor.dtype));
  const std::int64_t reach = reach_of(tensor, where);
  if (reach > elements) {
    fail("{}: a tensor of shape {} reaches to element {} of a storage of {}; the file is damaged", where,
         tensor.shape.to_string(), reach, elements);
  }
  if (bytes > tensor.storage_bytes) {
    fail("{}: a tensor of shape {} repeats the elements of a storage of {}; save it again after .contiguous()", where,
         tensor.shape.to_string(), elements);
  }
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks); in v3 the element type is argument 7.
PickledValue rebuild_tensor(PickledValues& all, const Arguments& arguments, bool has_type) {
  const PickledStorage& storage =
      all.storages[static_cast<std::size_t>(arguments.at(0, Kind::storage, "a storage").number)];
  PickledTensor tensor;
  tensor.storage = storage.key;
  tensor.storage_bytes = storage.bytes;
  tensor.dtype = storage.dtype;
  if (has_type) {
    const PickledValue& type = arguments.at(6, Kind::global, "an element type");
    const std::optional<DType> known = type.text == "torch" ? find_type(kElementTypes, type.member) : std::nullopt;
    if (!known)
      fail("{}: elements of type {} are not supported; save the model in another type", arguments.where(),
           global_name(type));
    tensor.dtype = *known;
  }
  tensor.offset = arguments.at(1, Kind::integer, "a whole number").number;
  if (tensor.offset < 0) fail("{}: a storage offset of {}; the file is damaged", arguments.where(), tensor.offset);
  tensor.shape = Shape(arguments.sizes(2, "dimension"));
  const std::vector<std::int64_t> strides = arguments.sizes(3, "stride");
  if (strides.size() != static_cast<std::size_t>(tensor.shape.rank())) {
    fail("{}: {} strides for shape {}; the file is damaged", arguments.where(), strides.size(),
         tensor.shape.to_string());
  }
  std::copy(strides.begin(), strides.end(), tensor.strides.begin());
  check_window(tensor, arguments.where());
  all.tensors.push_back(tensor);
  return {.kind = Kind::tensor, .number = static_cast<std::int64_t>(all.tensors.size()) - 1};
}

// Items come later, by opcode; Python 2, which wrote some of the older files, gives them as a list of pairs.
PickledValue make_ordered_dict(const PickledValues& all, ValueId arguments_id, const std::string& where) {
  PickledValue dict{.kind = Kind::dict};
  const std::vector<ValueId>& arguments = all.values[arguments_id].items;
  if (arguments.empty()) return dict;
  const PickledValue& pairs = all.values[arguments.front()];
  bool sound = arguments.size() == 1 && pairs.kind == Kind::list;
  for (const ValueId id : pairs.items) {
    const PickledValue& pair = all.values[id];
    sound = sound && (pair.kind == Kind::list || pair.kind == Kind::tuple) && pair.items.size() == 2;
    dict.items.insert(dict.items.end(), pair.items.begin(), pair.items.end());
  }
  if (!sound) fail("{} is given something else than pairs; the file is damaged", where);
  return dict;
}

}  // namespace

std::string global_name(const PickledValue& global) {
  return in_quotes(fmt::format("{}.{}", global.text, global.member));
}

PickledValue call_torch(PickledValues& all, ValueId function, ValueId arguments_id, const std::string& where) {
  const PickledValue callee = all.values[function];
  if (callee.kind != Kind::global) fail("{}: it calls something that has no name; it is refused", where);
  const std::string name = fmt::format("{}.{}", callee.text, callee.member);
  const Arguments arguments(all, arguments_id, fmt::format("{}: {}", where, global_name(callee)));
  if (name == "torch._utils._rebuild_tensor_v2" || name == "torch._utils._rebuild_tensor") {
    return rebuild_tensor(all, arguments, false);
  }
  if (name == "torch._utils._rebuild_tensor_v3") return rebuild_tensor(all, arguments, true);
  if (name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state") {
    return arguments.at(0, Kind::tensor, "a tensor");
  }
  if (name == "torch._tensor._rebuild_from_type_v2" || name == "torch._tensor._rebuild_from_type") {
    // A subclass of Tensor: (function that makes the plain tensor, the class, its arguments, state). The class does
    // not matter to us, and a function that is no tensor's is refused by the call.
    const PickledValue& inner = arguments.at(0, Kind::global, "a function");
    if (inner.text == callee.text) fail("{} calls {}; it is refused", arguments.where(), global_name(inner));
    arguments.at(1, Kind::global, "a class");
    const std::vector<ValueId>& items = all.values[arguments_id].items;
    if (items.size() < 3)
      fail("{} is given {} arguments, too few; the file is damaged", arguments.where(), items.size());
    const PickledValue made = call_torch(all, items[0], items[2], where);
    if (made.kind != Kind::tensor)
      fail("{} calls {}, which makes no tensor; it is refused", arguments.where(), global_name(inner));
    return made;
  }
  if (name == "collections.OrderedDict") return make_ordered_dict(all, arguments_id, arguments.where());
  if (name == "torch.Size" || name == "torch.device") return {};
  fail(
      "{}: it calls {}, which a file of tensors does not need; it is refused, and nothing was executed: get the "
      "weights from a source you trust, or save them again as plain tensors",
      where, global_name(callee));
}

PickledValue make_storage(PickledValues& all, ValueId id, const std::string& where) {
  const Arguments arguments(all, id, where + ": a storage");
  if (arguments.at(0, Kind::text, "the word storage").text != "storage") {
    fail("{}: a persistent id {}, expected a storage; it is refused", where, in_quotes(arguments.at(0).text));
  }
  const PickledValue& type = arguments.at(1, Kind::global, "a storage type");
  const bool torch = type.text == "torch" || type.text == "torch.storage";
  const std::optional<DType> dtype = torch ? find_type(kStorageTypes, type.member) : std::nullopt;
  if (!dtype)
    fail("{}: storages of type {} are not supported; save the model in another type", where, global_name(type));
  // Files of before 2018 may describe a storage as a part of another one here.
  if (arguments.size() > 5 && arguments.at(5).kind != Kind::opaque) {
    fail("{}: a storage that is a part of another one; load the file in PyTorch and save it again", where);
  }
  PickledStorage storage{.key = arguments.at(2, Kind::text, "a name").text, .dtype = *dtype};
  const std::int64_t elements = arguments.at(4, Kind::integer, "a whole number").number;
  if (elements < 0 || __builtin_mul_overflow(elements, static_cast<std::int64_t>(dtype_size(*dtype)), &storage.bytes)) {
    fail("{}: storage {} of {} elements; the file is damaged", where, in_quotes(storage.key), elements);
  }
  all.storages.push_back(storage);
  return {.kind = Kind::storage, .number = static_cast<std::int64_t>(all.storages.size()) - 1};
}

}  // namespace scalekv::checkpoint
