// Seeds of pictures: any number of 64 bits, or one by chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace scalekv {

// What stands for a seed; nothing where it is "-1", which asks for one by chance. Throws UsageError that names `what`
// it is for.
std::optional<std::uint64_t> read_seed(std::string_view text, std::string_view what);

// One by chance, of 32 bits, so that other programs can take it too.
std::uint64_t random_seed();

// Throws UsageError unless there are `count` seeds from `first` on.
void check_seeds(std::uint64_t first, std::size_t count);

}  // namespace scalekv
