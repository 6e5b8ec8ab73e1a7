#include "tools/measure/latency_histogram.h"

#include <algorithm>
#include <cmath>

#include "nlohmann/json.hpp"

namespace tally::tools {

namespace {

constexpr double kMostBins = 48;
constexpr double kShown = 0.995, kTail = 5;

/// The step of the clock: the least distance between different samples; 0 where all are equal. `sorted`: ascending.
double grid_of(const std::vector<double>& sorted) {
  double step = 0;
  for (size_t i = 1; i < sorted.size(); ++i) {
    const double distance = sorted[i] - sorted[i - 1];
    // Products of ticks and their length differ in the last bits.
    if (distance > 1e-9 * sorted[i] && (step == 0 || distance < step)) step = distance;
  }
  return step;
}

}  // namespace

LatencyHistogram latency_histogram(std::vector<double> samples) {
  LatencyHistogram h;
  if (samples.empty()) return h;
  std::sort(samples.begin(), samples.end());
  h.max_ns = samples.back();
  const auto quantile = [&](double q) {
    return samples[static_cast<size_t>(q * static_cast<double>(samples.size() - 1))];
  };
  const double grid = grid_of(samples), p10 = quantile(0.1), p90 = quantile(0.9);
  const double last = std::min(quantile(kShown), p90 + kTail * std::max(p90 - p10, grid));
  const double range = last - samples.front();
  // Freedman and Diaconis: 2·IQR·n^(−1/3), not below what the picture can show.
  const double iqr = samples[samples.size() * 3 / 4] - samples[samples.size() / 4];
  const double wanted = std::max(2 * iqr / std::cbrt(static_cast<double>(samples.size())), range / kMostBins);
  h.width_ns = grid > 0 ? grid * std::max(1.0, std::ceil(wanted / grid - 1e-6)) : std::max(1.0, samples.front() * 1e-3);
  h.from_ns = samples.front() - (grid > 0 ? grid : h.width_ns) / 2;
  const auto bins = static_cast<size_t>((last - h.from_ns) / h.width_ns) + 1;
  h.counts.assign(std::min(bins, static_cast<size_t>(kMostBins) + 2), 0);
  for (const double sample : samples) {
    const auto bin = static_cast<size_t>(std::max(0.0, (sample - h.from_ns) / h.width_ns));
    ++(bin < h.counts.size() ? h.counts[bin] : h.above);
  }
  return h;
}

nlohmann::ordered_json histogram_json(const LatencyHistogram& h) {
  if (h.counts.empty()) return nullptr;
  return {
      {"from_ns", h.from_ns}, {"width_ns", h.width_ns}, {"counts", h.counts}, {"above", h.above}, {"max_ns", h.max_ns}};
}

}  // namespace tally::tools
