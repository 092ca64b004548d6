// Fibers for the threads of a block: each has a stack with a guard page below, and runs until it
// pauses or passes to another one. One whose body returned keeps its stack and idles until it is
// started again. Resumed only from the thread that made the pool, never from a fiber.
#ifndef TL_TESTS_CUDA_FIBER_H
#define TL_TESTS_CUDA_FIBER_H

#include <stdbool.h>
#include <stddef.h>

enum { TL_FIBERS_MAX = 2048 };

typedef enum tl_fiber_state { TL_FIBER_NEW, TL_FIBER_STARTED, TL_FIBER_IDLE } tl_fiber_state;

typedef struct tl_fiber {
  void *place; // its stack pointer while it does not run
  void *fake_stack;
  tl_fiber_state state;
} tl_fiber;

typedef struct tl_fibers {
  unsigned char *stacks;
  void (*body)(void *context);
  void *context;
  tl_fiber *running;
  bool ending;
  bool passed; // who runs was passed to
  void *place; // of the resumer
  void *fake_stack;
  const void *stack; // the resumer's
  size_t stack_bytes;
  tl_fiber fibers[TL_FIBERS_MAX];
} tl_fibers;

// False if there is no memory.
bool tl_fibers_init(tl_fibers *fibers, void (*body)(void *context), void *context);
void tl_fibers_finish(tl_fibers *fibers);

// Fiber `index` will begin with `body` when it is resumed; what it did before is forgotten.
void tl_fiber_start(tl_fibers *fibers, int index);

// Returns when the fiber, or one that it passed to, pauses or its body returns.
void tl_fiber_resume(tl_fibers *fibers, int index);

// By the running fiber: back to the resumer.
void tl_fiber_pause(tl_fibers *fibers);

// By the running fiber: to another one that is started, as if resumed. Where those that take turns
// wait in the same call this is several times faster than a pause and a resumption: a processor
// that pairs returns with calls then foretells them.
void tl_fiber_pass(tl_fibers *fibers, int index);

#endif
