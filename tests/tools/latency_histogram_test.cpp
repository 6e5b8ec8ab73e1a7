#include "tools/measure/latency_histogram.h"

#include <doctest/doctest.h>

#include <algorithm>

#include <numeric>
#include <random>

#include "nlohmann/json.hpp"

using namespace tally::tools;

namespace {

int64_t sum_of(const LatencyHistogram& h) { return std::accumulate(h.counts.begin(), h.counts.end(), h.above); }

}  // namespace

TEST_CASE("every sample is in one bin, or above them") {
  std::mt19937 random(1);
  std::lognormal_distribution<double> latency(9, 0.2);
  for (const size_t n : {1, 2, 3, 10, 1000, 20000}) {
    std::vector<double> samples;
    for (size_t i = 0; i < n; ++i) samples.push_back(latency(random));
    samples.back() *= 100;  // an interrupted run
    const LatencyHistogram h = latency_histogram(samples);
    CAPTURE(n);
    CHECK(sum_of(h) == static_cast<int64_t>(n));
    CHECK(h.counts.size() <= 50);
    CHECK(h.from_ns <= *std::min_element(samples.begin(), samples.end()));
    CHECK(h.max_ns == *std::max_element(samples.begin(), samples.end()));
    if (n >= 1000) CHECK(h.above >= 1);
  }
}

TEST_CASE("bins follow the clock's grid") {
  std::mt19937 random(2);
  std::vector<double> samples;
  for (int i = 0; i < 5000; ++i) samples.push_back(130.0 + 10.0 * static_cast<double>(random() % 7));
  const LatencyHistogram h = latency_histogram(samples);
  CHECK(h.from_ns == doctest::Approx(125));
  CHECK(std::fmod(h.width_ns, 10.0) == doctest::Approx(0));
  for (const int64_t count : h.counts) CHECK(count > 0);
  CHECK(h.above == 0);
}

TEST_CASE("samples that are all alike, or none") {
  const LatencyHistogram h = latency_histogram({50, 50, 50});
  CHECK(h.counts == std::vector<int64_t>{3});
  CHECK(histogram_json(h)["above"] == 0);
  CHECK(latency_histogram({}).counts.empty());
  CHECK(histogram_json({}).is_null());
}
