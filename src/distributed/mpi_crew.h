// The processes of an MPI job. Compiled where MPI is found.
#pragma once

#include <memory>

#include "distributed/crew.h"

namespace scalekv::distributed {

std::unique_ptr<Crew> join_mpi_crew();

}  // namespace scalekv::distributed
