// Integer division that rounds up.
#pragma once

#include <cstdint>

namespace scalekv {

// How many parts of `part` cover `whole`; both positive.
constexpr std::int64_t ceil_divide(std::int64_t whole, std::int64_t part) { return (whole + part - 1) / part; }

}  // namespace scalekv
