// One input of a fuzzer, read as a file of its kind: anything but a sound result or an Error is a finding.
#pragma once

#include <string_view>

#include "base/error.h"

namespace scalekv {

using FuzzTarget = void (*)(std::string_view);

// Runs a target; an Error is as good as a result.
inline void run_target(FuzzTarget target, std::string_view bytes) {
  try {
    target(bytes);
  } catch (const Error&) {
  }
}

}  // namespace scalekv
