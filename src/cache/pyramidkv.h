// PyramidKV's budgets.
#pragma once

#include <cstdint>
#include <vector>

namespace scalekv::cache {

// Capacities of one row: falling linearly over `layers` layers around `mean`, none above `history` (the excess goes to
// the others) nor below 1; they add up to layers x mean where layers x history allows it.
std::vector<std::int64_t> pyramid_row(int layers, std::int64_t mean, std::int64_t history);

}  // namespace scalekv::cache
