// Finds MPI: most who use the program do not, and it alone would be half of what the program is linked with.
#pragma once

#include "distributed/mpi_table.h"

namespace scalekv::distributed {

// The table of the module scalekv-mpi.so, which lies beside the program or, installed, in its folder of libraries; the
// environment has no say. It stays loaded. Throws Error where it is missing, damaged or of another version.
const ScalekvMpi& load_mpi();

}  // namespace scalekv::distributed
