#include "tally/platforms/threads.h"

#include <sched.h>
#include <atomic>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace tally {

/// Barriers are numbered. A thread announces the number it has reached in its own line; thread 0 collects the others'
/// and answers in its line, which all others watch. The numbers do what a sense bit does, for any count of barriers.
struct alignas(64) Team::Line {
  std::atomic<uint32_t> reached{0};
  uint32_t number = 0;  // of this thread's last barrier
};

namespace {

/// Looks before a waiting thread starts to yield: some 50 to 150 µs, longer than any layer's imbalance on cores of our
/// own, short where another process holds the core that we wait for.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

void wait_until(const std::atomic<uint32_t>& reached, uint32_t number) {
  for (int spins = 0; reached.load(std::memory_order_acquire) != number; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      sched_yield();
    }
  }
}

}  // namespace

Team::~Team() = default;

#if defined(_OPENMP)

Team::Team(int threads) {
  if (threads <= 1) return;
  if (omp_get_dynamic()) omp_set_dynamic(0);
  int got = 1;
#pragma omp parallel num_threads(threads)
  {
#pragma omp single
    got = omp_get_num_threads();
  }
  size_ = active_ = got;
  lines_ = std::make_unique<Line[]>(static_cast<size_t>(got));
}

void Team::fork(Body body, void* f) noexcept {
  if (omp_in_parallel()) {
    active_ = 1;
    body(f, 0);
    active_ = size_;
    return;
  }
  if (omp_get_dynamic()) omp_set_dynamic(0);  // the calling thread's own setting: fewer threads would never meet
#pragma omp parallel num_threads(size_)
  body(f, omp_get_thread_num());
}

#else

Team::Team(int) {}
void Team::fork(Body body, void* f) noexcept { body(f, 0); }

#endif

void Team::wait(int thread) noexcept {
  Line& own = lines_[static_cast<size_t>(thread)];
  const uint32_t number = ++own.number;
  if (thread == 0) {
    for (int t = 1; t < active_; ++t) wait_until(lines_[static_cast<size_t>(t)].reached, number);
    own.reached.store(number, std::memory_order_release);
  } else {
    own.reached.store(number, std::memory_order_release);
    wait_until(lines_[0].reached, number);
  }
}

}  // namespace tally
