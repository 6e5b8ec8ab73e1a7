#pragma once
#include <cstdint>
#include <vector>

#include "nlohmann/json_fwd.hpp"

namespace tally::tools {

/// How often a latency fell into each of equal bins from the smallest on; counts and `above` sum to the samples
/// exactly.
struct LatencyHistogram {
  double from_ns = 0, width_ns = 0;
  std::vector<int64_t> counts;  ///< of [from_ns + i·width_ns, from_ns + (i+1)·width_ns)
  int64_t above = 0;            ///< at or beyond the last bin's end
  double max_ns = 0;
};

/// Bins of the latencies up to their 99.5th percentile, but no further beyond the 90th than five times its distance
/// from the 10th; the rest, which an interruption makes ten times as long, is `above`. A clock ticks: where samples lie
/// on a grid, the bins are a whole number of its steps wide and its points lie in their middles, or the picture would
/// be a comb. Empty where there are no samples.
LatencyHistogram latency_histogram(std::vector<double> samples);

/// {"from_ns", "width_ns", "counts", "above", "max_ns"}; null where there are no samples.
nlohmann::ordered_json histogram_json(const LatencyHistogram& histogram);

}  // namespace tally::tools
