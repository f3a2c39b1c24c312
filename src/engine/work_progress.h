// A public callback as the rooms below take it.
#pragma once

#include "base/progress.h"
#include "scalekv/errors.h"
#include "scalekv/progress.h"

namespace scalekv::engine {

// Throws Cancelled where the callback, which outlives it, says stop.
inline WorkProgress work_progress(const WorkCallback& callback) {
  return [&callback](double share, std::string_view what) {
    if (callback && !callback(share, what)) throw Cancelled();
  };
}

}  // namespace scalekv::engine
