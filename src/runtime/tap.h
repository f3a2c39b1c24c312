// A look inside a forward pass, for checking it stage by stage against the reference.
#pragma once

#include <functional>
#include <string_view>

#include "runtime/tensor.h"

namespace scalekv {

// Called with the name of a stage and what it produced; the view is valid during the call only. Empty in production.
using Tap = std::function<void(std::string_view stage, View<const float> value)>;

}  // namespace scalekv
