// Memory by which blocks of a launch give to each other: who wrote each word last, and whether
// tl_arrive lies between that and a read. Blocks run one after another, so that a reader comes late
// enough by itself; what is shown is whether hardware would have let it see.
#include <string.h>

#include "tests/lib/cuda/state.h"

// Of the running thread's block.
static uint32_t epoch_of(tl_shim *shim) {
  return tl_shim_block_of(shim)->epoch;
}

tl_u32 tl_shim_arrive(const tl_site *site, void *counters, tl_i64 index, tl_u32 count) {
  tl_shim *shim = tl_shim_current;
  tl_u32 *counter =
      tl_shim_element(shim, site, counters, index, sizeof *counter, TL_SHIM_READ | TL_SHIM_WRITE);
  tl_u32 before = *counter;
  if (before >= count)
    tl_shim_fail(shim, site, "exchange: %u of %u blocks came already", before, count);
  *counter = before + 1 == count ? 0 : before + 1;
  shim->arrivals[tl_shim_block()] = (tl_arrival){shim->thread, epoch_of(shim), ++shim->tick};
  return before;
}

// Whether `arrival` stands for the thread after what it did in `epoch`.
static bool is_after(const tl_arrival *arrival, int thread, uint32_t epoch, uint64_t tick) {
  return arrival->tick > tick && (arrival->thread == thread || arrival->epoch > epoch);
}

static void check_read(tl_shim *shim, const tl_site *site, const tl_range *range,
                       const tl_exchanged *word) {
  int offset = (int)(word - range->exchanged) * 4;
  if (word->launch != shim->launch)
    tl_shim_fail(shim, site, "exchange: offset %d of %s was not written by this launch", offset,
                 range->name);
  if (word->block == tl_shim_block()) {
    if (word->thread != shim->thread && word->epoch == epoch_of(shim))
      tl_shim_fail(shim, site, "exchange: thread %d wrote offset %d of %s, no barrier between",
                   word->thread, offset, range->name);
    return;
  }
  if (!is_after(&shim->arrivals[word->block], word->thread, word->epoch, word->tick))
    tl_shim_fail(shim, site, "exchange: block %d wrote offset %d of %s and did not arrive since",
                 word->block, offset, range->name);
  const tl_arrival *own = &shim->arrivals[tl_shim_block()];
  if (own->tick < word->tick || (own->thread != shim->thread && own->epoch == epoch_of(shim)))
    tl_shim_fail(shim, site, "exchange: block %d wrote offset %d of %s, the reader did not arrive",
                 word->block, offset, range->name);
}

void tl_exchange_touch(tl_shim *shim, const tl_site *site, const tl_range *range, uintptr_t at,
                       tl_u32 bytes, bool write) {
  tl_exchanged *word = &range->exchanged[(at - range->begin) / 4];
  tl_exchanged *end = &range->exchanged[(at - range->begin + bytes + 3) / 4];
  for (; word < end; word++) {
    if (!write) {
      check_read(shim, site, range, word);
    } else {
      *word =
          (tl_exchanged){shim->launch, epoch_of(shim), tl_shim_block(), shim->thread, ++shim->tick};
    }
  }
}
