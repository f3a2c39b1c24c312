// Errors: one clear sentence that says what is wrong, where, and what to do about it.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "scalekv/errors.h"

namespace scalekv {

// Throws Error with a formatted message.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

// Throws UsageError with a formatted message.
template <typename... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

// A broken invariant of our own code (never user input): throws std::logic_error naming the condition.
[[noreturn]] void broken_invariant(const char* condition, const char* file, int line);

}  // namespace scalekv

#define SCALEKV_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::scalekv::broken_invariant(#condition, __FILE__, __LINE__))
