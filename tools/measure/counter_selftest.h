#pragma once
// Known work against every counter and sensor that a machine has.
#include <string>
#include <vector>

#include "tally/platforms/energy.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/perf.h"

namespace tally::tools {

/// What one counter said of known work.
struct CounterTest {
  enum class Outcome { passed, failed, missing };

  std::string counter;   ///< "cycles", "energy" …
  std::string work;      ///< what ran
  std::string expected;  ///< with its margin
  std::string found;     ///< of a missing one the reason
  Outcome outcome = Outcome::missing;
};

/// Outcome and texts of a count that must lie in [low, high].
CounterTest judged(std::string counter, std::string work, double found, double low, double high);

/// - timer: as fast as CLOCK_MONOTONIC over 20 ms, to 0.1 %.
/// - cycles: of an FMA loop of `table` within 5 % of time × clock, the clock from dependent additions just before.
/// - instructions: of dependent additions exactly as many as there are, plus at most 0.01 % + 2,000 for entering the
///   kernel, reading and interrupts.
/// - branch misses, cache misses and reads that miss the last level: in that loop, which has one branch and no load, at
///   most 1 a 100 rounds + 1,000.
/// - L1D reads that miss: of 100,000 dependent loads all over 1 MiB between 50 % and 150 % of them.
/// - energy: of an FMA loop between 0.02 and 1,000 W.
///
/// What the machine lacks is `missing`, with its reason. `cpu`: on which the calling thread is held, −1: none.
std::vector<CounterTest> test_counters(const KernelTable& table, const SystemFiles& files, PerfCalls& calls, int cpu);

}  // namespace tally::tools
