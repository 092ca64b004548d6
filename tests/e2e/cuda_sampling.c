// Sampled requests on a GPU, behind the stand-in for its driver: the ids that its lists of the
// likeliest decide are those that all logits give, on the GPU and on the CPU, and the logits do not
// cross the bus: what is copied is counted.
//
//   LD_LIBRARY_PATH=build/tests/driver cuda_sampling PLAN CPU_PLAN      both in f32
#include <dlfcn.h>
#include <string.h>

#include "runtime/base/step.h"
#include "runtime/tlmc.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda/driver/traffic.h"

enum { REQUESTS = 4, PROMPT = 3, TOKENS = 3, BEST_BYTES = 64 };
enum { LIST_BYTES = TL_STEP_CANDIDATES * sizeof(tl_step_candidate) };

typedef int32_t output[TOKENS];

// What is asked for, and how many of its rows' logits have to cross the bus at most.
typedef struct wish {
  tlmc_sampling sampling;
  int logits_max;
} wish;

// Requests that run together; `lists`: of each row 64 bytes and a list are copied.
typedef struct batch {
  const char *name;
  bool lists;
  wish wishes[REQUESTS];
} batch;

static const batch batches[] = {
    {"the likeliest",
     false,
     {{{.seed = 1}, 0}, {{.seed = 2}, 0}, {{.seed = 3}, 0}, {{.seed = 4}, 0}}},
    {"decided by few",
     true,
     {{{.temperature = 0.9f, .top_k = 40, .seed = 5}, 0},
      {{.temperature = 1, .top_k = 100, .top_p = 0.9f, .min_p = 0.05f, .seed = 6}, 0},
      {{.temperature = 0.7f, .top_k = 20, .repetition_penalty = 1.2f, .seed = 7}, 0},
      {{.repetition_penalty = 1.5f, .presence_penalty = 0.3f}, 0}}},
    {"decided by most",
     true,
     {{{.temperature = 0.1f, .top_p = 0.8f, .seed = 8}, 1},
      {{.temperature = 0.2f, .min_p = 0.2f, .seed = 9}, 1},
      {{.temperature = 0.1f, .seed = 10}, 1},
      {{.temperature = 3, .seed = 11}, TOKENS}}},
};

static tlmc_error error;
static int32_t vocabulary;

static void must(tlmc_status status) {
  if (status == TLMC_OK) return;
  fprintf(stderr, "cuda_sampling: %s\n", error.text);
  exit(1);
}

static uint64_t (*find_counter(void))(void) {
  uint64_t (*copied)(void);
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  CHECK(library);
  void *found = dlsym(library, "tl_stand_in_copied");
  CHECK(found);
  memcpy(&copied, &found, sizeof copied);
  return copied;
}

static tlmc_session *open_session(const char *path, const char *device) {
  tlmc_session *session;
  tlmc_plan *plan; // open to the end
  tlmc_plan_facts facts = {.size = sizeof facts};
  must(tlmc_plan_open(path, NULL, &plan, &error));
  must(tlmc_plan_info(plan, &facts));
  vocabulary = facts.vocabulary;
  tlmc_session_options options = {.size = sizeof options,
                                  .device = device,
                                  .kv_type = "f32",
                                  .batch = REQUESTS,
                                  .sequences = REQUESTS,
                                  .requests = REQUESTS,
                                  .outputs = REQUESTS,
                                  .context = REQUESTS * 64,
                                  .threads = 2,
                                  .no_prefix_reuse = 1,
                                  .deterministic = 0};
  must(tlmc_session_open(plan, &options, &session, &error));
  return session;
}

static tlmc_request *submit(tlmc_session *session, int number, const wish *w, bool copies) {
  int32_t ids[PROMPT];
  for (int i = 0; i < PROMPT; i++)
    ids[i] = (37 * i * (number + 3) + 11 * number) % vocabulary;
  tlmc_sampling sampling = w->sampling;
  sampling.size = sizeof sampling;
  if (copies) sampling.logprobs = -1;
  tlmc_request_options ask = {.size = sizeof ask,
                              .ids = ids,
                              .ids_count = PROMPT,
                              .tokens_max = TOKENS,
                              .ignore_stop_ids = 1,
                              .sampling = &sampling};
  tlmc_request *request;
  must(tlmc_request_submit(session, &ask, &request, &error));
  return request;
}

static void generate(tlmc_session *session, const batch *b, bool copies, output outputs[REQUESTS]) {
  tlmc_request *requests[REQUESTS];
  for (int i = 0; i < REQUESTS; i++)
    requests[i] = submit(session, i, &b->wishes[i], copies);
  for (int step = 0; step < TOKENS; step++) {
    must(tlmc_session_step(session, NULL, &error));
    for (int i = 0; i < REQUESTS; i++) {
      tlmc_event event = {.size = sizeof event};
      must(tlmc_request_poll(requests[i], &event));
      CHECK(event.kind == TLMC_EVENT_TOKEN && event.tokens_count == step + 1);
      outputs[i][step] = event.id;
    }
  }
  for (int i = 0; i < REQUESTS; i++)
    tlmc_request_release(requests[i]);
}

static void check_copied(const batch *b, uint64_t bytes, uint64_t row_bytes) {
  uint64_t rows = REQUESTS * TOKENS, found = rows * (BEST_BYTES + (b->lists ? LIST_BYTES : 0));
  int most = 0;
  for (int i = 0; i < REQUESTS; i++)
    most += b->wishes[i].logits_max;
  CHECK(bytes >= found && (bytes - found) % row_bytes == 0);
  uint64_t fetched = (bytes - found) / row_bytes;
  printf("%s: logits of %llu of %llu rows crossed the bus, at most %d\n", b->name,
         (unsigned long long)fetched, (unsigned long long)rows, most);
  CHECK(fetched <= (uint64_t)most);
}

int main(int argc, char **argv) {
  output ids[REQUESTS], others[REQUESTS];
  CHECK(argc == 3);
  uint64_t (*copied)(void) = find_counter();
  tlmc_session *gpu = open_session(argv[1], "cuda"), *cpu = open_session(argv[2], "cpu");
  uint64_t row_bytes = (uint64_t)(vocabulary + 63) / 64 * 256;
  CHECK(vocabulary > TL_STEP_CANDIDATES);
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
    uint64_t before = copied();
    generate(gpu, &batches[i], false, ids);
    check_copied(&batches[i], copied() - before, row_bytes);
    before = copied();
    generate(gpu, &batches[i], true, others);
    CHECK(copied() - before == REQUESTS * TOKENS * row_bytes);
    CHECK(memcmp(ids, others, sizeof ids) == 0);
    generate(cpu, &batches[i], false, others);
    CHECK(memcmp(ids, others, sizeof ids) == 0);
  }
  tlmc_session_close(gpu);
  tlmc_session_close(cpu);
  return 0;
}
