// A graph's kernels as the stand-in for a driver takes them: the sources that a plan would keep,
// behind modules with nothing in them, so that no NVRTC is needed.
#ifndef TL_TESTS_OPS_CUDA_SOURCES_H
#define TL_TESTS_OPS_CUDA_SOURCES_H

#include "tests/ops/graph_case.h"

// Adds the rows of `target` to the case, which was drafted for cuda. The code section, on the
// case's arena.
const char *tl_cuda_sources_emit(tl_graph_case *c, int target);

#endif
