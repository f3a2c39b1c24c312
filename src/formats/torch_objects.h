// What calls and classes in PyTorch's files stand for, recognised by name: tensors and storages; all else is a label.
#pragma once

#include <string>

#include "formats/pickle_value.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

// What `function` would make of the tuple `arguments`: a tensor, a dictionary, or an object of which only the name is
// known. Throws Error where the arguments of a tensor are damaged.
PickledValue call_global(PickledValues& all, ValueId function, ValueId arguments, const std::string& where);

// An object of the class `type`. Throws Error where that is no class.
PickledValue make_object(const PickledValues& all, ValueId type, const std::string& where);

// What a persistent id describes: a storage, ('storage', torch.FloatStorage, key, device, elements), or an object.
PickledValue make_storage(PickledValues& all, ValueId id, const std::string& where);

// "os.system" in quotes, for messages; the name of a global or of an object's class.
std::string global_name(const PickledValue& global);

// An object, a global, a storage or an unreadable tensor, for people: what it is, and how a weight in its place could
// be read.
PassedOver describe(const PickledValues& all, const PickledValue& value);

}  // namespace scalekv::formats
