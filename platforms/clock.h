#pragma once
#include <time.h>
#include <cstdint>
#include <string_view>

namespace tally {

/// Nanoseconds of a clock that never jumps (CLOCK_MONOTONIC); the zero is arbitrary.
inline int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

namespace clock_detail {
#if defined(__x86_64__)
extern const bool kTscIsInvariant;
#endif
}  // namespace clock_detail

/// The finest monotonic counter that user code can read without a system call: the time stamp counter on x86-64 where
/// it is invariant, cntvct_el0 on AArch64, else now_ns(). These count time at a fixed rate, not core cycles, whose rate
/// follows frequency scaling. Not a barrier: what surrounds it must take far longer than the reorder window.
inline int64_t ticks() {
#if defined(__x86_64__)
  if (clock_detail::kTscIsInvariant) return static_cast<int64_t>(__builtin_ia32_rdtsc());
  return now_ns();
#elif defined(__aarch64__)
  int64_t value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  return now_ns();
#endif
}

/// Ticks in a nanosecond. AArch64: from cntfrq_el0. x86-64: measured against CLOCK_MONOTONIC over 5 ms at the first
/// call, which must therefore not be inside a measurement; good to about 10⁻⁵.
double ticks_per_ns();

/// What ticks() reads: "tsc", "cntvct_el0" or "clock_gettime".
std::string_view tick_source();

}  // namespace tally
