// How threads wait for each other.
#pragma once

namespace scalekv::cli {

// OpenMP's threads wait in a loop for milliseconds before they sleep. On a machine with other work they then hold the
// very core that the others need, and everything takes many times as long. The runtime reads its settings before main()
// begins: so the program starts anew, once, with GOMP_SPINCOUNT set to waits of some ten microseconds, unless the
// environment says something itself. Returns where nothing is to be done, or a new start is not possible.
void restart_with_short_waits(char** argv);

}  // namespace scalekv::cli
