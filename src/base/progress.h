// How long work on large files tells how far it is.
#pragma once

#include <functional>
#include <string_view>

#include "scalekv/errors.h"
#include "scalekv/progress.h"

namespace scalekv {

// The share of the work that is done, and what is being done. May throw to stop.
using WorkProgress = std::function<void(double share, std::string_view what)>;

// A public callback as one. Throws Cancelled where the callback, which outlives it, says stop.
inline WorkProgress work_progress(const WorkCallback& callback) {
  return [&callback](double share, std::string_view what) {
    if (callback && !callback(share, what)) throw Cancelled();
  };
}

}  // namespace scalekv
