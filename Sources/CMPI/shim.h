#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

// What the names of MPI stand for in C, macros that cast, cannot be seen from Swift. What fails here ends all processes,
// as MPI does unless told otherwise.

// Joins the processes of this run.
static inline void mpi_begin(int *rank, int *count) {
  int given;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, count);
}

// Fills `words` on all processes from the parts that each of them has there.
static inline void mpi_gather(void *words, const int *counts, const int *starts) {
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, words, counts, starts, MPI_UINT32_T, MPI_COMM_WORLD);
}

// Returns when all processes have come here, and looks for them a hundred times a second.
static inline void mpi_wait(void) {
  MPI_Request request;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  int done = 0;
  while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static inline void mpi_end(void) { MPI_Finalize(); }

// Ends all processes.
static inline void mpi_abort(void) { MPI_Abort(MPI_COMM_WORLD, 1); }
