#pragma once
#include <optional>
#include <vector>

namespace tally {

struct Interval {
  double low = 0, high = 0;
};

/// Order statistics of a sample, in its unit (times: ns).
struct Distribution {
  double min = 0, p10 = 0, median = 0, p90 = 0, p99 = 0, max = 0, mean = 0, stddev = 0;
  int samples = 0;
  /// Where the median of what was sampled lies with a probability of 95 % or more, see median_interval().
  std::optional<Interval> median_ci95;

  /// (p90 − p10) ÷ median; 0 where the median is.
  double spread() const { return median > 0 ? (p90 - p10) / median : 0; }
};
Distribution distribution(std::vector<double> samples);

/// The 95 % confidence interval of the median, free of any assumption on the distribution but independence: of n sorted
/// samples x₁ … xₙ the values x_j and x_(n+1−j), for the largest j with P(B < j) ≤ 0.025, B binomial of n trials at ½,
/// since B of the samples lie below the true median. Above 1000 samples B is taken as normal:
/// j = ⌊(n + 1)/2 − 0.98·√n⌋. Nothing below 6 samples, which no such j serves. An end that several samples share, as
/// those of a timer that counts in steps do, moves out to the next different sample: what was read as x lies within a
/// step of it. Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
std::optional<Interval> median_interval(const std::vector<double>& sorted);

}  // namespace tally
