#pragma once
// Is this machine fit to measure on? What it tells before a measurement and after it.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tally/platforms/affinity.h"
#include "tally/platforms/system_files.h"

namespace tally {

/// A moment's state of the machine, as far as it tells.
struct Conditions {
  int cpu = -1;                                  ///< on which the measurement runs; −1: on any
  std::optional<std::string> governor;           ///< of the clock
  std::optional<int64_t> khz, min_khz, max_khz;  ///< the clock now, and its limits
  std::optional<int64_t> hardware_max_khz;       ///< what the core could do
  std::optional<bool> boost;                     ///< clocks above the sustained one are allowed
  std::optional<int64_t> throttle_events;        ///< x86: of this core and its package, since start
  std::optional<uint32_t> pi_flags;              ///< Raspberry Pi: the firmware's get_throttled
  std::vector<std::string> cooling;              ///< devices that hold clocks down now: "cpufreq-cpu0 at 2 of 9"
  std::optional<double> celsius;                 ///< hottest zone
  std::optional<double> load;                    ///< threads that wanted to run, mean of a minute
  std::vector<int> siblings;                     ///< logical CPUs of the same core
  std::map<int, CpuTimes> times;                 ///< see cpu_times()
  int64_t pushed_off = 0;                        ///< times that this thread lost its CPU to another, since it began
};

/// `cpu` < 0: on any; governor, clock and throttling are then those of CPU 0.
Conditions read_conditions(const SystemFiles& files, int cpu);

/// Threads that wanted to run, the mean of the last minute.
std::optional<double> load_average(const SystemFiles& files);

/// The governor of a CPU's clock.
std::optional<std::string> governor_of(const SystemFiles& files, int cpu);

/// What a measurement was like in itself.
struct MeasuredSpan {
  double seconds = 0;
  int threads = 1;
  double mhz_before = 0, mhz_after = 0;  ///< of the core, see core_mhz(); 0: unknown
  bool steady = true;                    ///< warm-up came to an end of itself
  double spread = 0;                     ///< (p90 − p10) ÷ median of whole runs
  bool in_cluster = false;               ///< held on the CPUs of one kind that was asked for
};

/// Limits beyond which a machine is called unfit.
struct FitnessLimits {
  static constexpr double kSpread = 0.10;         ///< (p90 − p10) ÷ median
  static constexpr double kClockChange = 0.03;    ///< between before and after
  static constexpr double kLoadShare = 0.5;       ///< load average a CPU that may be used
  static constexpr double kSiblingBusy = 0.10;    ///< share of the span
  static constexpr double kStolen = 0.01;         ///< share of the span
  static constexpr double kPushedOff_per_s = 20;  ///< a tick of other work each 50 ms
};

/// Why figures of this span may not come out the same again, as clauses without full stops; none: nothing was found.
std::vector<std::string> unfit_reasons(const Conditions& before, const Conditions& after, const MeasuredSpan& span,
                                       const Topology& topology);

/// Share of the span that the host of a virtual machine gave to others; nothing where /proc/stat does not tell.
std::optional<double> stolen_share(const Conditions& before, const Conditions& after);

/// Share of the span that the SMT siblings were busy; nothing where there are none.
std::optional<double> sibling_share(const Conditions& before, const Conditions& after);

/// The bits of get_throttled in words: "under-voltage", "clock capped", "throttled", "soft temperature limit"; of those
/// that hold now, or (`since_start`) have held.
std::vector<std::string> pi_throttling(uint32_t flags, bool since_start);

}  // namespace tally
