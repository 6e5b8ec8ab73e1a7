#pragma once
#include <cstdint>

#include "tally/platforms/system_files.h"

namespace tally {

/// Instructions that a call of dependent_adds(rounds) runs: rounds · kInstructionsPerRound, and a few to enter and
/// leave; 0: no such loop for this architecture.
int64_t instructions_of_adds(int64_t rounds);
/// Cycles that it takes at least: each addition needs the one before, and takes one cycle on every core that we know.
int64_t cycles_of_adds(int64_t rounds);

/// `rounds` times 256 additions, each of which needs the sum of the one before, in registers.
void dependent_adds(int64_t rounds) noexcept;

/// MHz at which the calling thread's core runs now, from the time of dependent additions (source: estimated): the
/// fastest of several bursts of some 0.1 ms, so that interrupts do not count. In-order cores whose branch does not pair
/// with an addition show up to 0.8 % less. 0: unknown. Takes about 2 ms.
double core_mhz();

/// The same once the clock has settled: bursts until three readings in a row agree to 1 %, 0.2 s at most. A core that
/// was idle needs that to leave its low clock.
double settled_core_mhz();

/// MHz that cpufreq tells for `cpu` (source: cpufreq): on x86 an average of what the core did, elsewhere what the
/// governor asked for. 0: no cpufreq.
double cpufreq_mhz(const SystemFiles& files, int cpu);

}  // namespace tally
