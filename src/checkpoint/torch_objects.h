// The calls in PyTorch's files, recognised by name.
#pragma once

#include <string>

#include "checkpoint/pickle_value.h"

namespace scalekv::checkpoint {

// What `function` would make of the tuple `arguments`. Throws Error naming the function where it is not on the list.
PickledValue call_torch(PickledValues& all, ValueId function, ValueId arguments, const std::string& where);

// The storage that a persistent id describes: ('storage', torch.FloatStorage, key, device, elements).
PickledValue make_storage(PickledValues& all, ValueId id, const std::string& where);

// "os.system", for messages.
std::string global_name(const PickledValue& global);

}  // namespace scalekv::checkpoint
