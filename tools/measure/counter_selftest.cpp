#include "tools/measure/counter_selftest.h"

#include <cmath>
#include <utility>

#include "tally/platforms/clock.h"
#include "tally/platforms/core_clock.h"
#include "tally/platforms/memory.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using Outcome = CounterTest::Outcome;

constexpr int64_t kAddRounds = 100'000;
constexpr int64_t kFmaRounds = 1'000'000;
constexpr int64_t kLoads = 100'000;
constexpr size_t kChaseBytes = 1 << 20, kLineBytes = 64;

/// Counts of `work`; nothing where the kernel fails.
template <class F>
std::optional<PerfReading> counts_of(PerfGroup& group, F&& work) {
  PerfReading before, after;
  if (!group.read(before)) return std::nullopt;
  work();
  if (!group.read(after)) return std::nullopt;
  for (size_t e = 0; e < kPerfEvents; ++e) after.count[e] -= before.count[e];
  return after;
}

/// A ring through every line of a buffer, in an order that no prefetcher foresees.
class Chase {
 public:
  Chase() : buffer_(kChaseBytes) {
    const size_t lines = kChaseBytes / kLineBytes, stride = kLineBytes / sizeof(uint32_t);
    auto* words = buffer_.as<uint32_t>();
    // A full period: the modulus a power of two, the addend odd, the factor 1 more than a multiple of 4 (Knuth).
    for (size_t line = 0; line < lines; ++line)
      words[line * stride] = static_cast<uint32_t>((line * 5437 + 7919) % lines * stride);
  }
  /// The last address read, so that no load is left out.
  uint32_t follow(int64_t loads) const {
    const auto* words = buffer_.as<uint32_t>();
    uint32_t at = 0;
    for (int64_t i = 0; i < loads; ++i) at = words[at];
    return at;
  }

 private:
  AlignedBuffer buffer_;
};

CounterTest missing(std::string counter, std::string reason) {
  return {std::move(counter), "", "", std::move(reason), Outcome::missing};
}

/// Spans that other work may have interrupted are tried again: the best one counts.
constexpr int kTries = 5;

CounterTest test_timer() {
  double best_ns = 0, best_expected = 1;
  for (int i = 0; i < kTries; ++i) {
    const int64_t tick = ticks(), begin = now_ns();
    while (now_ns() - begin < 20'000'000) {}
    const double ns = static_cast<double>(ticks() - tick) / ticks_per_ns();
    const auto expected = static_cast<double>(now_ns() - begin);
    if (std::fabs(ns / expected - 1) > std::fabs(best_ns / best_expected - 1)) continue;
    best_ns = ns;
    best_expected = expected;
  }
  return judged(formatted("timer ({})", tick_source()), "20 ms of CLOCK_MONOTONIC, in ns", best_ns,
                best_expected * 0.999, best_expected * 1.001);
}

CounterTest test_cycles(PerfGroup& group, const KernelTable& table) {
  const double mhz = settled_core_mhz();
  if (mhz <= 0) return missing("cycles", "no clock to compare with");
  double shortest_ns = 1e300, cycles = 0;
  for (int i = 0; i < kTries; ++i) {
    const int64_t before = ticks();
    const auto counts = counts_of(group, [&] { table.fma_peak(kFmaRounds); });
    const double ns = static_cast<double>(ticks() - before) / ticks_per_ns();
    if (!counts) return missing("cycles", "the kernel gave no reading");
    if (ns >= shortest_ns) continue;
    shortest_ns = ns;
    cycles = static_cast<double>(counts->count[0]);
  }
  const double expected = shortest_ns * mhz * 1e-3;
  return judged("cycles", formatted("FMA loop of {}, time × {:.0f} MHz", name_of(table.isa), mhz), cycles,
                0.95 * expected, 1.05 * expected);
}

/// Bounds of an event that the loop of additions does not cause.
CounterTest test_rare(PerfEvent event, const PerfReading& counts) {
  return judged(std::string(name_of(event)), formatted("{} rounds of additions", with_thousands(kAddRounds)),
                static_cast<double>(counts.count[static_cast<size_t>(event)]), 0, kAddRounds / 100.0 + 1000);
}

CounterTest test_event(PerfEvent event, PerfGroup& group, const KernelTable& table) {
  if (event == PerfEvent::cycles) return test_cycles(group, table);
  if (event == PerfEvent::l1d_read_misses) {
    const Chase chase;
    volatile uint32_t last = chase.follow(kLoads);
    const auto counts = counts_of(group, [&] { last = chase.follow(kLoads); });
    if (!counts) return missing(std::string(name_of(event)), "the kernel gave no reading");
    return judged(std::string(name_of(event)), formatted("{} dependent loads over 1 MiB", with_thousands(kLoads)),
                  static_cast<double>(counts->count[static_cast<size_t>(event)]), 0.5 * kLoads, 1.5 * kLoads);
  }
  const auto counts = counts_of(group, [] { dependent_adds(kAddRounds); });
  if (!counts) return missing(std::string(name_of(event)), "the kernel gave no reading");
  if (event != PerfEvent::instructions) return test_rare(event, *counts);
  const auto known = static_cast<double>(instructions_of_adds(kAddRounds));
  if (known <= 0) return missing("instructions", "no loop of known length for this architecture");
  return judged("instructions", formatted("{} rounds of additions", with_thousands(kAddRounds)),
                static_cast<double>(counts->count[1]), known, known * 1.0001 + 2000);
}

CounterTest test_energy(EnergyMeter& meter, const KernelTable& table) {
  if (!meter.usable()) return missing("energy", meter.missing());
  const int64_t begin = now_ns();
  int64_t now = begin;
  meter.start(begin);
  while (static_cast<double>(now - begin) < meter.least_seconds() * 1e9) {
    table.fma_peak(kFmaRounds);
    now = now_ns();
    meter.sample(now);
  }
  const auto joules = meter.joules();
  if (!joules) return missing("energy", "the source failed midway");
  return judged(formatted("energy ({})", meter.source()), formatted("FMA loop of {}, mean mW", name_of(table.isa)),
                *joules * 1e12 / static_cast<double>(now - begin), 20, 1e6);
}

}  // namespace

CounterTest judged(std::string counter, std::string work, double found, double low, double high) {
  return {std::move(counter), std::move(work), formatted("{} to {}", with_thousands(low, 0), with_thousands(high, 0)),
          with_thousands(found, 0), found >= low && found <= high ? Outcome::passed : Outcome::failed};
}

std::vector<CounterTest> test_counters(const KernelTable& table, const SystemFiles& files, PerfCalls& calls, int cpu) {
  ticks_per_ns();  // measured at its first call
  std::vector<CounterTest> tests{test_timer()};
  PerfGroup group(calls);
  group.open(perf_setup(files, cpu));
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const auto event = static_cast<PerfEvent>(e);
    tests.push_back(group.counts(event)
                        ? test_event(event, group, table)
                        : missing(std::string(name_of(event)), perf_obstacle(group.error(event), files)));
  }
  EnergyMeter meter(files, energy_sources(files));
  tests.push_back(test_energy(meter, table));
  return tests;
}

}  // namespace tally::tools
