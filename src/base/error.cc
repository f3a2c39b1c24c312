#include "base/error.h"

#include <stdexcept>

namespace scalekv {

void broken_invariant(const char* condition, const char* file, int line) {
  throw std::logic_error(
      fmt::format("internal error: {} does not hold at {}:{}; please report this", condition, file, line));
}

}  // namespace scalekv
