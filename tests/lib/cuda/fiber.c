// Fibers: a switch saves the registers that a call keeps, and the stack pointer.
//
//   a paused stack, downwards:   return address | rbp | rbx | r12 | r13 | r14 | r15 <- place
#include "tests/lib/cuda/fiber.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#elif defined __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGINS __sanitizer_start_switch_fiber
#define SWITCH_ENDS __sanitizer_finish_switch_fiber
#define UNPOISON __asan_unpoison_memory_region
enum { STACK_BYTES = 256 << 10 }; // its frames are larger
#else
#define SWITCH_BEGINS(save, stack, bytes) ((void)(stack), (void)(bytes))
#define SWITCH_ENDS(fake, stack, bytes) ((void)(fake), (void)(stack), (void)(bytes))
#define UNPOISON(stack, bytes) ((void)(stack))
enum { STACK_BYTES = 64 << 10 };
#endif

enum { GUARD_BYTES = 4096, SLOT_BYTES = GUARD_BYTES + STACK_BYTES, SAVED_REGISTERS = 6 };

// Stacks begin at different distances from a page, else the frames of a warp's lanes, which take
// turns, would be in the same few sets of the first cache.
enum { COLOURS = 32, COLOUR_BYTES = 9 * 64 };

void tl_fiber_switch(void **save, void *place) __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".globl tl_fiber_switch\n"
        ".hidden tl_fiber_switch\n"
        ".type tl_fiber_switch, @function\n"
        "tl_fiber_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size tl_fiber_switch, . - tl_fiber_switch\n");

static _Thread_local tl_fibers *entering;

static unsigned char *stack_of(const tl_fibers *fibers, const tl_fiber *fiber) {
  return fibers->stacks + (fiber - fibers->fibers) * SLOT_BYTES + GUARD_BYTES;
}

// The running fiber has its stack.
static void arrive(tl_fibers *fibers, void *fake_stack) {
  const void *stack = fibers->stack;
  size_t bytes = fibers->stack_bytes;
  SWITCH_ENDS(fake_stack, &stack, &bytes);
  if (!fibers->passed) fibers->stack = stack, fibers->stack_bytes = bytes;
  fibers->passed = false;
}

static void enter(void) {
  tl_fibers *fibers = entering;
  tl_fiber *fiber = fibers->running;
  arrive(fibers, NULL);
  while (!fibers->ending) {
    fibers->body(fibers->context);
    fiber->state = TL_FIBER_IDLE;
    tl_fiber_pause(fibers);
  }
  SWITCH_BEGINS(NULL, fibers->stack, fibers->stack_bytes);
  tl_fiber_switch(&fiber->place, fibers->place);
  __builtin_unreachable();
}

bool tl_fibers_init(tl_fibers *fibers, void (*body)(void *context), void *context) {
  memset(fibers, 0, sizeof *fibers);
  size_t bytes = (size_t)TL_FIBERS_MAX * SLOT_BYTES;
  void *stacks =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) return false;
  *fibers = (tl_fibers){.stacks = stacks, .body = body, .context = context};
  for (int i = 0; i < TL_FIBERS_MAX; i++)
    if (mprotect(fibers->stacks + (size_t)i * SLOT_BYTES, GUARD_BYTES, PROT_NONE) != 0) {
      tl_fibers_finish(fibers);
      return false;
    }
  return true;
}

void tl_fibers_finish(tl_fibers *fibers) {
  fibers->ending = true;
  for (int i = 0; i < TL_FIBERS_MAX; i++) {
    tl_fiber *fiber = &fibers->fibers[i];
    if (fiber->state == TL_FIBER_IDLE) tl_fiber_resume(fibers, i);
    if (fiber->state != TL_FIBER_NEW) UNPOISON(stack_of(fibers, fiber), STACK_BYTES);
  }
  if (fibers->stacks) munmap(fibers->stacks, (size_t)TL_FIBERS_MAX * SLOT_BYTES);
  fibers->stacks = NULL;
}

void tl_fiber_start(tl_fibers *fibers, int index) {
  tl_fiber *fiber = &fibers->fibers[index];
  if (fiber->state == TL_FIBER_STARTED) // it was left in the middle
    UNPOISON(stack_of(fibers, fiber), STACK_BYTES);
  if (fiber->state != TL_FIBER_IDLE) {
    size_t unused = (size_t)(index % COLOURS) * COLOUR_BYTES;
    void **top = (void **)(void *)(stack_of(fibers, fiber) + STACK_BYTES - unused);
    top[-1] = NULL; // whom `enter` would return to
    void (*entry)(void) = enter;
    memcpy(&top[-2], &entry, sizeof entry);
    memset(&top[-2 - SAVED_REGISTERS], 0, SAVED_REGISTERS * sizeof *top);
    fiber->place = &top[-2 - SAVED_REGISTERS];
  }
  fiber->state = TL_FIBER_STARTED;
}

void tl_fiber_resume(tl_fibers *fibers, int index) {
  tl_fiber *fiber = &fibers->fibers[index];
  fibers->running = fiber;
  entering = fibers;
  SWITCH_BEGINS(&fibers->fake_stack, stack_of(fibers, fiber), STACK_BYTES);
  tl_fiber_switch(&fibers->place, fiber->place);
  SWITCH_ENDS(fibers->fake_stack, NULL, NULL);
}

void tl_fiber_pause(tl_fibers *fibers) {
  tl_fiber *fiber = fibers->running;
  SWITCH_BEGINS(&fiber->fake_stack, fibers->stack, fibers->stack_bytes);
  tl_fiber_switch(&fiber->place, fibers->place);
  arrive(fibers, fiber->fake_stack);
}

void tl_fiber_pass(tl_fibers *fibers, int index) {
  tl_fiber *fiber = fibers->running, *next = &fibers->fibers[index];
  fibers->running = next;
  fibers->passed = true;
  SWITCH_BEGINS(&fiber->fake_stack, stack_of(fibers, next), STACK_BYTES);
  tl_fiber_switch(&fiber->place, next->place);
  arrive(fibers, fiber->fake_stack);
}
