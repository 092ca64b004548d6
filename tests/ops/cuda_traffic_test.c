// What a decode step of one row reads behind 511 others, counted by the stand-in for a driver: all
// loads together within 5 % of the weights and the KV memory, every byte once within 2 %.
//
//   LD_LIBRARY_PATH=build/tests/driver:build/tests/nvrtc cuda_traffic_test cuda:sm_90a GRAPH.ir
#include <dlfcn.h>

#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_target.h"
#include "runtime/base/target.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda/driver/traffic.h"
#include "tests/ops/graph_case.h"

enum { POSITION = 511 };

typedef struct stand_in {
  void (*count)(bool counts);
  tl_shim_traffic (*counted)(void);
} stand_in;

static stand_in find_stand_in(void) {
  stand_in found;
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  CHECK(library);
  void *count = dlsym(library, "tl_stand_in_count"),
       *counted = dlsym(library, "tl_stand_in_counted");
  CHECK(count && counted);
  memcpy(&found.count, &count, sizeof count);
  memcpy(&found.counted, &counted, sizeof counted);
  return found;
}

// All weights, as the embedding is the head's matrix too, and the pages of all positions.
static uint64_t least_bytes(const tl_graph_case *c, tl_plan_kv_type kv) {
  uint64_t bytes = c->builder.weights_bytes;
  for (uint32_t g = 0; g < c->tables.groups_count; g++)
    bytes += c->tables.groups[g].page_bytes[kv] * ((POSITION + 1) / TL_PAGE_TOKENS);
  return bytes;
}

static void check_share(const char *what, uint64_t bytes, uint64_t least, double allowed) {
  double share = (double)bytes / (double)least - 1;
  printf("%s %llu bytes, %+.2f %% of what they must be (at most %g %%)\n", what,
         (unsigned long long)bytes, share * 100, allowed * 100);
  CHECK(share <= allowed && share >= -allowed);
}

int main(int argc, char **argv) {
  static tl_graph_case c;
  CHECK(argc == 3);
  int target = tl_target_from_text(tl_str_from(argv[1]));
  CHECK(target < TL_TARGET_COUNT && tl_target_of(target)->device == TL_TARGET_DEVICE_CUDA);
  tl_graph_case_load(&c, argv[2]);
  tl_graph_case_draft(&c, &tl_cuda_rules);
  tl_graph_run run = {.device = &tl_device_cuda, .target = argv[1], .kv = TL_PLAN_KV_BF16};
  tl_cuda_options options = {target, -1, 1, true};
  tl_str code;
  tl_graph_case_must(&c, tl_cuda_target_emit(&c.drafts, &options, &c.builder, &code, &c.diag));
  run.code = code.data;
  tl_graph_case_pack(&c);
  stand_in s = find_stand_in();
  s.count(true);
  tl_graph_case_step(&c, &run, POSITION, POSITION + 1);
  tl_shim_traffic counted = s.counted();
  s.count(false);
  uint64_t least = least_bytes(&c, run.kv);
  check_share("all loads", counted.read, least, 0.05);
  check_share("each byte once", counted.unique, least, 0.02);
  tl_graph_case_finish(&c);
  return 0;
}
