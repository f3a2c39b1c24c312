// How much memory this process may still take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace scalekv {

// Bytes: what the system has available, or what is left below a limit of this process's control groups (version 1 or 2,
// its own or an outer one), whichever is less. Nothing that can be read: the largest number.
// root: where /proc and /sys are, for tests.
std::int64_t available_memory(const std::filesystem::path& root = "/");

// Gives memory that was freed, and that the C library keeps for allocations to come, back to the system: after a phase
// that allocated more than those after it will. Does nothing where the C library has no way to.
void return_freed_memory();

}  // namespace scalekv
