#include "tally/engine/warmup.h"

#include <algorithm>
#include <array>

namespace tally {

bool steady(std::span<const double> fastest_ns) {
  const auto [least, most] = std::minmax_element(fastest_ns.begin(), fastest_ns.end());
  return *most - *least <= kSteadyShare * *least;
}

Warmup warm_up(Context& context, int least, double seconds) {
  Warmup warmup;
  if (least <= 0) return warmup;
  const double ns_per_tick = 1.0 / ticks_per_ns();
  std::array<double, 3> fastest{};
  const int64_t begin = ticks();
  for (size_t block = 0;; ++block) {
    if (context.plan().timeline) context.reset();
    double shortest = 1e300, total = 0;
    while (total < kWarmupBlock_ns) {
      const int64_t before = ticks();
      context.run();
      const double ns = static_cast<double>(ticks() - before) * ns_per_tick;
      shortest = std::min(shortest, ns);
      total += std::max(ns, 1.0);
      ++warmup.runs;
    }
    fastest[block % fastest.size()] = shortest;
    warmup.ns = static_cast<double>(ticks() - begin) * ns_per_tick;
    if (warmup.runs < least) continue;
    warmup.steady = block + 1 >= fastest.size() && steady(fastest);
    if (warmup.steady || warmup.ns > seconds * 1e9) return warmup;
  }
}

}  // namespace tally
