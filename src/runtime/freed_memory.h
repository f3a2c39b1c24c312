// Memory that was freed, and that the C library keeps for allocations to come.
#pragma once

namespace scalekv {

// Gives it back to the system: after a phase that allocated more than those after it will. Does nothing where the C
// library has no way to.
void return_freed_memory();

}  // namespace scalekv
