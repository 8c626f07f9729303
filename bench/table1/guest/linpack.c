/*
 * HPL's part of the HPC Challenge suite as a program of its own. Reads hpccinf.txt, appends HPL's report to
 * hpccoutf.txt, and prints one line of JSON on rank 0. `residual` is HPL's own check of the solution: it must
 * be below the threshold in the input, or the status is 1.
 */
#include <hpl.h>
#include <stdio.h>
#include <stdlib.h>

int HPL_main(int, char**, HPL_RuntimeData*, int*);

/* The suite's answer to an input that cannot be read; here that is an end. */
int HPCC_Defaults(void) {
  fprintf(stderr, "linpack: hpccinf.txt cannot be read\n");
  MPI_Abort(MPI_COMM_WORLD, 1);
  return 1;
}

int main(int argc, char** argv) {
  HPL_RuntimeData run = {0};
  int failed = 0;
  int rank = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  HPL_main(argc, argv, &run, &failed);
  if (rank == 0) {
    double bound = run.eps * (run.AnormI * run.XnormI + run.BnormI) * run.N;
    printf("{\"gflops\":%.6f,\"seconds\":%.3f,\"n\":%d,\"residual\":%.3g,\"failed\":%d}\n", run.Gflops,
           run.time, run.N, run.RnormI / bound, failed);
  }
  MPI_Finalize();
  return failed != 0;
}
