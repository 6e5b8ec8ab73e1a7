#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "tally/platforms/clock.h"

using namespace tally;

TEST_CASE("clocks do not run backwards") {
  int64_t tick = ticks(), ns = now_ns();
  for (int i = 0; i < 100000; ++i) {
    const int64_t next_tick = ticks(), next_ns = now_ns();
    REQUIRE(next_tick >= tick);
    REQUIRE(next_ns >= ns);
    tick = next_tick;
    ns = next_ns;
  }
}

TEST_CASE("ticks over nanoseconds is the rate that is claimed") {
  MESSAGE(std::string(tick_source()) << ", " << ticks_per_ns() << " ticks/ns");
  REQUIRE(ticks_per_ns() > 0);
  CHECK(ticks_per_ns() == ticks_per_ns());
  // The best of several spans, since the thread may be interrupted between reading one clock and the other.
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const int64_t tick = ticks(), ns = now_ns();
    while (now_ns() - ns < 20'000'000) {}
    const double rate = static_cast<double>(ticks() - tick) / static_cast<double>(now_ns() - ns);
    best = std::fmin(best, std::fabs(rate / ticks_per_ns() - 1));
  }
  CHECK(best < 0.01);
}
