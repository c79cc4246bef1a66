// What the kernels use of CUDA, on the host: the same text, compiled by g++, runs one block after the other.
//
// A block's threads are fibers. Each runs to the next barrier before any goes on, so a barrier means what it means on a
// device, and one that some threads do not reach is an error. Shared memory is filled with NaNs before each block.
#pragma once

#include <pthread.h>
#include <ucontext.h>

#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#define __device__
#define __global__ __attribute__((used))  // by which Python finds the kernels' names
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static __attribute__((section("emulated_shared")))
#define __syncthreads() emulation::barrier(__LINE__)

struct dim3 {
  unsigned x, y, z;
};

static dim3 gridDim, blockDim, blockIdx;
static dim3 threadIdx;

using std::fma;
using std::fmax;
using std::fmin;
using std::isfinite;
using std::isnan;
using std::max;
using std::min;

extern "C" {
__attribute__((weak)) extern char __start_emulated_shared[], __stop_emulated_shared[];
}

namespace emulation {

enum Outcome { FINE = 0, WRONG_COUNT = 1, WRONG_SIZE = 2, WRONG_BARRIER = 3 };

// Most of a test's time goes into this. On x86 the compiler's own marks hold three registers, and are no calls.
#if defined(__x86_64__) && defined(__GNUC__)
using Mark = void* [5];
#define EMULATION_MARK(mark) __builtin_setjmp(mark)
#define EMULATION_GO_TO(mark) __builtin_longjmp(mark, 1)
#else
using Mark = jmp_buf;
#define EMULATION_MARK(mark) _setjmp(mark)
#define EMULATION_GO_TO(mark) _longjmp(mark, 1)
#endif

constexpr int ENDED = 0;  // else the line of the barrier that a thread waits at
constexpr std::size_t STACK = 64 * 1024;

struct Fiber {
  ucontext_t context;
  bool started = false;
  char stack[STACK];
  Mark resume;  // beside what lies on top of the stack
};

static std::vector<Fiber*> fibers;
static Mark scheduler;
static unsigned current, n_threads;
static int state;  // of the threads of the block that have run since the last barrier
static bool apart;  // whether one of them came to another barrier than those before it
static void (*body)(void*);
static void* arguments;
// Launches of all kernels of a module share what is above.
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

// What a mark is used in must not be inlined where it is gone to.
[[noreturn]] static __attribute__((noinline)) void go_to(Mark& mark) { EMULATION_GO_TO(mark); }

static void enter();

[[noreturn]] static void run_current() {
  Fiber& fiber = *fibers[current];
  if (fiber.started) go_to(fiber.resume);
  fiber.started = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
  setcontext(&fiber.context);
  __builtin_unreachable();
}

// A thread hands over to the next one; the last to whoever looks after them all.
[[noreturn]] static void hand_over(int now) {
  if (current == 0) state = now;
  apart = now != state;
  if (apart || current + 1 == n_threads) go_to(scheduler);
  ++current;
  if (++threadIdx.x == blockDim.x) {
    threadIdx.x = 0;
    if (++threadIdx.y == blockDim.y) threadIdx.y = 0, ++threadIdx.z;
  }
  run_current();
}

static __attribute__((noinline)) void halt(int now) {
  if (EMULATION_MARK(fibers[current]->resume) == 0) hand_over(now);
}

// A fiber is kept for the next block: making one takes system calls.
static void enter() {
  for (;;) {
    body(arguments);
    halt(ENDED);
  }
}

static void barrier(int line) { halt(line); }

// Run each thread until it waits or ends. Nothing with a destructor may live on a fiber's stack.
static __attribute__((noinline)) void run_threads() {
  current = 0;
  threadIdx = {0, 0, 0};
  if (EMULATION_MARK(scheduler) == 0) run_current();
}

static bool run_block() {
  if (__start_emulated_shared) {
    std::memset(__start_emulated_shared, 0xff, __stop_emulated_shared - __start_emulated_shared);
  }
  do {
    run_threads();
    if (apart) {
      for (Fiber* fiber : fibers) delete fiber;  // those that wait will never go on
      fibers.clear();
      return false;
    }
  } while (state != ENDED);
  return true;
}

static bool run_grid() {
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
        if (!run_block()) return false;
      }
    }
  }
  return true;
}

template <typename... P, std::size_t... I>
static int launch(void (*kernel)(P...), const unsigned* grid, const unsigned* block, void** values,
                  const std::size_t* sizes, std::size_t n, std::index_sequence<I...>) {
  constexpr std::size_t expected[] = {sizeof(P)...};
  if (n != sizeof...(P)) return WRONG_COUNT;
  for (std::size_t i = 0; i < n; ++i) {
    if (sizes[i] != expected[i]) return WRONG_SIZE + 16 * int(i);
  }
  pthread_mutex_lock(&one_at_a_time);
  auto call = [&] { kernel(*static_cast<P*>(values[I])...); };
  body = [](void* some) { (*static_cast<decltype(call)*>(some))(); };
  arguments = &call;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  n_threads = block[0] * block[1] * block[2];
  while (fibers.size() < n_threads) fibers.push_back(new Fiber);
  const bool fine = run_grid();
  pthread_mutex_unlock(&one_at_a_time);
  return fine ? FINE : WRONG_BARRIER;
}

template <typename... P>
static int launch(void (*kernel)(P...), const unsigned* grid, const unsigned* block, void** values,
                  const std::size_t* sizes, std::size_t n) {
  return launch(kernel, grid, block, values, sizes, n, std::index_sequence_for<P...>());
}

}  // namespace emulation

#define LAUNCHER(NAME)                                                                                    \
  extern "C" __attribute__((visibility("default"))) int launch_##NAME(                                    \
      const unsigned* grid, const unsigned* block, void** values, const std::size_t* sizes, std::size_t n) { \
    return emulation::launch(NAME, grid, block, values, sizes, n);                                        \
  }
