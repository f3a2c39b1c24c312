// How long work on large files tells how far it is.
#pragma once

#include <functional>
#include <string_view>

namespace scalekv {

// The share of the work that is done, and what is being done. May throw to stop.
using WorkProgress = std::function<void(double share, std::string_view what)>;

}  // namespace scalekv
