#include "tally/engine/distribution.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace tally;

namespace {

std::vector<double> first(size_t n) {
  std::vector<double> values;
  for (size_t i = 1; i <= n; ++i) values.push_back(static_cast<double>(i));
  return values;
}

/// P(B ≤ k) for n trials at ½, in logarithms: another way than the code's.
double binomial_cdf(int n, int k) {
  double sum = 0;
  for (int i = 0; i <= k; ++i)
    sum += std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) - n * std::log(2.0));
  return sum;
}

}  // namespace

TEST_CASE("distribution: order statistics of a known sample") {
  const Distribution d = distribution({5, 1, 4, 2, 3});
  CHECK(d.samples == 5);
  CHECK(d.min == 1);
  CHECK(d.max == 5);
  CHECK(d.median == 3);
  CHECK(d.mean == 3);
  CHECK(d.p10 == doctest::Approx(1.4));
  CHECK(d.stddev == doctest::Approx(std::sqrt(2.5)));
  CHECK(d.spread() == doctest::Approx((4.6 - 1.4) / 3));
  CHECK_FALSE(d.median_ci95.has_value());
  CHECK(distribution({}).samples == 0);
  CHECK(distribution({}).spread() == 0);
  CHECK(distribution({7}).median == 7);
}

TEST_CASE("distribution: the median's interval has the ranks of the published tables") {
  // n → rank of the lower bound: Conover's table of the sign test, two-sided 5 %.
  struct Row {
    size_t n;
    double rank;
  };
  for (const Row& row : {Row{6, 1}, {8, 1}, {9, 2}, {10, 2}, {15, 4}, {20, 6}, {30, 10}, {50, 18}}) {
    CAPTURE(row.n);
    const auto interval = median_interval(first(row.n));
    REQUIRE(interval.has_value());
    CHECK(interval->low == row.rank);
    CHECK(interval->high == static_cast<double>(row.n + 1) - row.rank);
  }
  for (size_t n = 0; n < 6; ++n) CHECK_FALSE(median_interval(first(n)).has_value());
}

TEST_CASE("distribution: samples in a timer's steps have an interval of steps") {
  const auto interval = median_interval({10, 20, 20, 20, 20, 20, 20, 20, 20, 30});
  REQUIRE(interval.has_value());
  CHECK(interval->low == 10);
  CHECK(interval->high == 30);
  const auto same = median_interval(std::vector<double>(10, 7));
  CHECK(same->low == 7);
  CHECK(same->high == 7);
}

TEST_CASE("distribution: the interval is the narrowest of 95 %, and goes on smoothly above 1000 samples") {
  for (const int n : {6, 7, 40, 101, 500, 999, 1000}) {
    CAPTURE(n);
    const int j = static_cast<int>(median_interval(first(static_cast<size_t>(n)))->low);
    CHECK(binomial_cdf(n, j - 1) <= 0.025 + 1e-12);
    CHECK(binomial_cdf(n, j) > 0.025 - 1e-12);
  }
  for (const size_t n : {1001, 2000, 1 << 20}) {
    CAPTURE(n);
    const auto interval = median_interval(first(n));
    CHECK(interval->low + interval->high == static_cast<double>(n + 1));
    const double width = interval->high - interval->low;
    CHECK(width == doctest::Approx(1.96 * std::sqrt(static_cast<double>(n))).epsilon(0.05));
  }
}

TEST_CASE("distribution: the interval holds the true median as often as it says") {
  std::mt19937 random(7);
  std::exponential_distribution<double> skewed(1.0);  // median ln 2
  int held = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> sample;
    for (int i = 0; i < 35; ++i) sample.push_back(skewed(random));
    const auto interval = distribution(std::move(sample)).median_ci95;
    held += interval->low <= std::log(2.0) && std::log(2.0) <= interval->high;
  }
  CHECK(held >= kTrials * 0.95);
  CHECK(held <= kTrials * 0.985);  // of 35 samples the interval is of 96.0 %
}
