// What the program asks of MPI. It is all that crosses between the program and the module scalekv-mpi.so, which alone
// is linked with MPI and with nothing of ours: C types and no exceptions.
#pragma once

// The name of the table in the module. Another table has another number.
#define SCALEKV_MPI_TABLE scalekv_mpi_1

extern "C" {

struct ScalekvMpi {
  // Joins the processes that mpirun started. Returns null, or why that cannot be.
  const char* (*join)();
  void (*leave)();
  int (*rank)();
  int (*size)();
  // How many processes of this machine, this one among them, hold the same bytes. Every process calls it.
  int (*count_alike)(const void* bytes, int count);
  // What rank 0 has, to all. Every process calls it.
  void (*broadcast)(void* bytes, int count);
  void (*send)(const void* bytes, int count, int rank, int tag);
  // Whether a message with this tag is there; whose, and how long it is. Does not wait.
  bool (*probe)(int tag, int* rank, int* count);
  void (*receive)(void* bytes, int count, int rank, int tag);
};
}
