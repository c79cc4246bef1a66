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

constexpr int RUNNING = -1, ENDED = 0;  // else the line of the barrier that a thread waits at
constexpr std::size_t STACK = 64 * 1024;

struct Fiber {
  char stack[STACK];
  ucontext_t context;
  jmp_buf resume;
  bool started = false;
  int state = RUNNING;
};

static std::vector<Fiber*> fibers;
static jmp_buf scheduler;
static unsigned current, n_threads;
static void (*body)(void*);
static void* arguments;
// Launches of all kernels of a module share what is above.
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void place_thread(unsigned thread) {
  current = thread;
  threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
}

static void enter() {
  for (;;) {
    body(arguments);
    fibers[current]->state = ENDED;
    Fiber& own = *fibers[current];
    // A fiber is kept for the next block: making one takes system calls.
    if (_setjmp(own.resume) == 0) _longjmp(scheduler, 1);
  }
}

static void barrier(int line) {
  Fiber& own = *fibers[current];
  own.state = line;
  if (_setjmp(own.resume) == 0) _longjmp(scheduler, 1);
}

// Run a thread until it waits or ends. Nothing with a destructor may live on a fiber's stack.
static __attribute__((noinline)) void run(unsigned thread) {
  Fiber& fiber = *fibers[thread];
  place_thread(thread);
  fiber.state = RUNNING;
  if (_setjmp(scheduler) != 0) return;
  if (fiber.started) _longjmp(fiber.resume, 1);
  fiber.started = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
  setcontext(&fiber.context);
}

static bool run_block() {
  if (__start_emulated_shared) {
    std::memset(__start_emulated_shared, 0xff, __stop_emulated_shared - __start_emulated_shared);
  }
  for (;;) {
    for (unsigned thread = 0; thread < n_threads; ++thread) run(thread);
    const int state = fibers[0]->state;
    for (unsigned thread = 1; thread < n_threads; ++thread) {
      if (fibers[thread]->state != state) {
        for (Fiber* fiber : fibers) delete fiber;  // those that wait will never go on
        fibers.clear();
        return false;
      }
    }
    if (state == ENDED) return true;
  }
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
