// Why a process stopped, so that it can be told to another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace scalekv::distributed {

struct Failure {
  enum class Kind : std::uint8_t { error, usage, cancelled };

  Kind kind = Kind::error;
  std::string message;

  // Of the exception that is being handled.
  static Failure current();
  // As the same kind of exception.
  [[noreturn]] void raise() const;
};

}  // namespace scalekv::distributed
