#include "tally/engine/distribution.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tally {

namespace {

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = position - static_cast<double>(below);
  return sorted[below] * (1 - share) + sorted[above] * share;
}

/// The j of median_interval(), from 1; 0: none.
size_t rank_of_lower_bound(size_t n) {
  if (n > 1000) return static_cast<size_t>(0.5 * static_cast<double>(n + 1) - 0.98 * std::sqrt(static_cast<double>(n)));
  // P(B = k) from P(B = k − 1); ½ⁿ is 10⁻³⁰¹ at n = 1000, still a normal double.
  double probability = std::ldexp(1.0, -static_cast<int>(n)), sum = probability;
  size_t j = 0;
  while (sum <= 0.025) {
    ++j;
    probability *= static_cast<double>(n - j + 1) / static_cast<double>(j);
    sum += probability;
  }
  return j;
}

}  // namespace

std::optional<Interval> median_interval(const std::vector<double>& sorted) {
  const size_t n = sorted.size(), j = n == 0 ? 0 : rank_of_lower_bound(n);
  if (j == 0) return std::nullopt;
  Interval interval{sorted[j - 1], sorted[n - j]};
  const auto [first_low, after_low] = std::equal_range(sorted.begin(), sorted.end(), interval.low);
  if (after_low - first_low > 1 && first_low != sorted.begin()) interval.low = *(first_low - 1);
  const auto [first_high, after_high] = std::equal_range(sorted.begin(), sorted.end(), interval.high);
  if (after_high - first_high > 1 && after_high != sorted.end()) interval.high = *after_high;
  return interval;
}

Distribution distribution(std::vector<double> samples) {
  Distribution d;
  d.samples = static_cast<int>(samples.size());
  if (samples.empty()) return d;
  std::sort(samples.begin(), samples.end());
  d.min = samples.front();
  d.max = samples.back();
  d.p10 = quantile(samples, 0.1);
  d.median = quantile(samples, 0.5);
  d.p90 = quantile(samples, 0.9);
  d.p99 = quantile(samples, 0.99);
  d.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
  double squares = 0;
  for (double s : samples) squares += (s - d.mean) * (s - d.mean);
  d.stddev = samples.size() > 1 ? std::sqrt(squares / static_cast<double>(samples.size() - 1)) : 0;
  d.median_ci95 = median_interval(samples);
  return d;
}

}  // namespace tally
