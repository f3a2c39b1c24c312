// The module scalekv-mpi.so: mpi_table.h over MPI. What goes wrong within MPI ends all processes, as is its custom.
#include <mpi.h>

#include <cstdlib>
#include <cstring>

#include "distributed/mpi_table.h"

namespace {

const char* join() {
  int provided = 0;
  // Rank 0 talks in one thread after the other, never in two at once.
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  if (provided >= MPI_THREAD_SERIALIZED) return nullptr;
  MPI_Finalize();
  return "this MPI library has no thread support (MPI_THREAD_SERIALIZED)";
}

void leave() { MPI_Finalize(); }

int rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int size() {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

int count_alike(const void* bytes, int count) {
  MPI_Comm machine = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  int processes = 1;
  MPI_Comm_size(machine, &processes);
  const auto length = static_cast<std::size_t>(count);
  char* all = static_cast<char*>(std::calloc(static_cast<std::size_t>(processes), length));
  if (all == nullptr) MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Allgather(bytes, count, MPI_BYTE, all, count, MPI_BYTE, machine);
  MPI_Comm_free(&machine);
  int alike = 0;
  for (int i = 0; i < processes; ++i) {
    if (std::memcmp(all + static_cast<std::size_t>(i) * length, bytes, length) == 0) ++alike;
  }
  std::free(all);
  return alike;
}

void broadcast(void* bytes, int count) { MPI_Bcast(bytes, count, MPI_BYTE, 0, MPI_COMM_WORLD); }

void send(const void* bytes, int count, int rank, int tag) {
  MPI_Send(bytes, count, MPI_BYTE, rank, tag, MPI_COMM_WORLD);
}

bool probe(int tag, int* rank, int* count) {
  int there = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &there, &status);
  if (there == 0) return false;
  *rank = status.MPI_SOURCE;
  MPI_Get_count(&status, MPI_BYTE, count);
  return true;
}

void receive(void* bytes, int count, int rank, int tag) {
  MPI_Recv(bytes, count, MPI_BYTE, rank, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

}  // namespace

extern "C" __attribute__((visibility("default")))
const ScalekvMpi SCALEKV_MPI_TABLE = {join, leave, rank, size, count_alike, broadcast, send, probe, receive};
