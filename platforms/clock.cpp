#include "tally/platforms/clock.h"

#include "tally/platforms/cpu.h"

namespace tally {

#if defined(__x86_64__)

const bool clock_detail::kTscIsInvariant = cpu().invariant_tsc;

namespace {

struct Reading {
  int64_t tick = 0, ns = 0;
};

/// Both clocks at the same moment: of several tries, the one whose ticks before and after lie closest.
Reading read_both() {
  Reading best;
  int64_t shortest = INT64_MAX;
  for (int i = 0; i < 20; ++i) {
    const int64_t before = ticks();
    const int64_t ns = now_ns();
    const int64_t after = ticks();
    if (after - before < shortest) {
      shortest = after - before;
      best = {before + (after - before) / 2, ns};
    }
  }
  return best;
}

double measure() {
  if (!clock_detail::kTscIsInvariant) return 1.0;
  constexpr int64_t kSpan = 5'000'000;
  const Reading first = read_both();
  while (now_ns() - first.ns < kSpan) {}
  const Reading last = read_both();
  return static_cast<double>(last.tick - first.tick) / static_cast<double>(last.ns - first.ns);
}

}  // namespace

std::string_view tick_source() { return clock_detail::kTscIsInvariant ? "tsc" : "clock_gettime"; }

#elif defined(__aarch64__)

namespace {

double measure() {
  int64_t hertz;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(hertz));
  return static_cast<double>(hertz) * 1e-9;
}

}  // namespace

std::string_view tick_source() { return "cntvct_el0"; }

#else

namespace {

double measure() { return 1.0; }

}  // namespace

std::string_view tick_source() { return "clock_gettime"; }

#endif

double ticks_per_ns() {
  static const double rate = measure();
  return rate;
}

}  // namespace tally
