// The interpreter of pickle opcodes.
#pragma once

#include <string>
#include <string_view>

#include "checkpoint/pickle_value.h"

namespace scalekv::checkpoint {

// Runs the opcodes of a pickle up to STOP and returns its one result; the values are left in `all`. `where` is for
// messages. Throws Error on opcodes that are damaged, not allowed or too many.
ValueId run_pickle(std::string_view pickle, const std::string& where, PickledValues& all);

}  // namespace scalekv::checkpoint
