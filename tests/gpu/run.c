// Runs on a machine with a GPU and its driver what cuda_pack compiled elsewhere:
//
//   cuda_run FOLDER check|bench|layers|attention|attention_bench [FIRST]
#include "tests/gpu/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  static gpu g;
  if (argc < 3) {
    fputs("usage: cuda_run FOLDER check|bench|layers [FIRST]\n", stderr);
    return 2;
  }
  int first = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
  gpu_open(&g, argv[1], argv[2]);
  if (strcmp(argv[2], "check") == 0) return gpu_check_all(&g, first) != 0;
  if (strcmp(argv[2], "bench") == 0) return gpu_bench_all(&g, first) != 0;
  if (strcmp(argv[2], "attention") == 0) return gpu_check_attention(&g, first) != 0;
  if (strcmp(argv[2], "attention_bench") == 0) return gpu_bench_attention(&g, first) != 0;
  return gpu_bench_layers(&g, first) != 0;
}
