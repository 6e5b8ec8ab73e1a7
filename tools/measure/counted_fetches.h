#pragma once
// Bytes that came past the first and the last cache as hardware counters saw them, beside the cache model's.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tally/engine/profile.h"
#include "tools/machine/roofs.h"
#include "tools/measure/measurement.h"

namespace tally::tools {

/// Read misses × line size. What a counter calls a miss is the processor's choice: lines that a prefetcher fetched in
/// time are in it on some (Arm's L1D_CACHE_REFILL), not on others.
struct CountedFetches {
  struct Level {
    size_t cache = 0;  ///< of PlanRoofs::caches
    PerfEvent event = PerfEvent::l1d_read_misses;
  };
  std::vector<Level> levels;  ///< those that were counted
  std::string source;         ///< "pmu", or "estimated" where counters ran for a part of the time
  /// [row][level]: bytes of a run
  std::vector<std::vector<std::optional<int64_t>>> bytes;
};

CountedFetches counted_fetches(const Profile& profile, const PlanRoofs& roofs, const CounterRecord& counters);

/// Modelled beside counted, layer by layer; without rows where nothing was counted or modelled.
Table fetch_table(const Profile& profile, const PlanRoofs& roofs, const CountedFetches& counted);
std::string fetch_note(const CountedFetches& counted);

/// Adds "beyond_fetched_counted" (by cache; null where nothing was counted, the reasons being those of the misses) and
/// its source to each layer's "bytes", which add_roofs() made.
void add_counted_fetches(nlohmann::ordered_json& document, const PlanRoofs& roofs, const CountedFetches& counted);

}  // namespace tally::tools
