// Bytes beyond caches, as the model has them, where arithmetic knows them.
#include "tally/engine/traffic.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tally/layers/builder.h"
#include "tests/layers/layer_run.h"

namespace tally {
namespace {

constexpr int64_t kKiB = 1024;

std::vector<float> values(int64_t n) { return std::vector<float>(static_cast<size_t>(n), 0.25f); }

/// y [1, n] = x [1, k] · Wᵀ.
Builder linear(int64_t k, int64_t n) {
  Builder b;
  b.output(b.linear(b.input({1, k}), b.constant({n, k}, values(n * k))));
  return b;
}

struct Sums {
  std::vector<int64_t> fetched, written;
  bool in_order = true;
};
Sums sums_of(const Plan& plan, const std::vector<CacheShape>& caches) {
  const Traffic traffic = model_traffic(plan, caches);
  REQUIRE(traffic.missing.empty());
  REQUIRE(traffic.rows.size() == plan.rows.size());
  Sums sums{std::vector<int64_t>(caches.size()), std::vector<int64_t>(caches.size())};
  for (const RowTraffic& row : traffic.rows) {
    sums.in_order = sums.in_order && row.in_order;
    for (size_t i = 0; i < caches.size(); ++i) {
      sums.fetched[i] += row.beyond[i].fills * traffic.line_bytes;
      sums.written[i] += row.beyond[i].write_backs * traffic.line_bytes;
    }
  }
  return sums;
}

std::shared_ptr<const Plan> plan_of(Builder& b, Isa isa) {
  LoadOptions options;
  options.isa = isa;
  return b.build(options).plan();
}

bool near(int64_t value, int64_t expected, double share) {
  return std::abs(static_cast<double>(value - expected)) <= share * static_cast<double>(expected);
}

TEST_CASE("traffic: weights that no cache holds come anew each run, those that one holds do not") {
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    CAPTURE(name_of(isa));
    Builder b = linear(512, 512);  // 1 MiB of weights
    const auto plan = plan_of(b, isa);
    const Sums sums = sums_of(*plan, {{32 * kKiB, 64, 8}, {256 * kKiB, 64, 8}, {4096 * kKiB, 64, 16}});
    CHECK(sums.in_order);
    CHECK(near(sums.fetched[0], 1024 * kKiB, 0.05));
    CHECK(near(sums.fetched[1], 1024 * kKiB, 0.02));
    CHECK(sums.fetched[2] == 0);
    CHECK(sums.written[2] == 0);
  }
}

TEST_CASE("traffic: an elementwise layer of a large tensor fetches what it reads and writes, and writes back") {
  const int64_t n = 1 << 18;  // 1 MiB
  Builder b;
  b.output(b.relu(b.input({n})));
  const auto plan = plan_of(b, best_isa());
  const Sums sums = sums_of(*plan, {{32 * kKiB, 64, 8}, {256 * kKiB, 64, 8}});
  for (size_t level : {0, 1}) {
    CHECK(near(sums.fetched[level], 2 * 4 * n, 0.01));
    CHECK(near(sums.written[level], 4 * n, 0.01));
  }
}

TEST_CASE("traffic: what fits the nearest cache stays there") {
  Builder b = linear(32, 32);
  const Sums sums = sums_of(*plan_of(b, best_isa()), {{32 * kKiB, 64, 8}});
  CHECK(sums.fetched[0] == 0);
  CHECK(sums.written[0] == 0);
}

TEST_CASE("traffic: a matrix product reads its packed weights once a row of tiles, from the cache that holds them") {
  const int64_t rows = 64, n = 256;
  Builder b;
  b.output(b.linear(b.input({rows, n}), b.constant({n, n}, values(n * n))));  // 256 KiB of weights
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    CAPTURE(name_of(isa));
    const auto plan = plan_of(b, isa);
    const Sums fits = sums_of(*plan, {{1024 * kKiB, 64, 16}});
    CHECK(fits.fetched[0] == 0);
    const Sums small = sums_of(*plan, {{16 * kKiB, 64, 8}, {1024 * kKiB, 64, 16}});
    const Planned& planned = plan->rows[0].planned;
    CHECK(small.fetched[0] >= n * n * 4);
    // Rows of A that share sets push each other out line by line: a little more than what is issued may come.
    CHECK(static_cast<double>(small.fetched[0]) <=
          1.1 * static_cast<double>(planned.tally.bytes_loaded + planned.tally.bytes_stored));
  }
}

TEST_CASE("traffic: a sequence whose weights exceed a cache, walked to and fro, keeps its tail there") {
  const int64_t T = 16, H = 128;
  Builder b;
  const auto y = b.lstm(b.input({T, 1, H}), b.constant({1, 4 * H, H}, values(4 * H * H)),
                        b.constant({1, 4 * H, H}, values(4 * H * H)));
  b.output(y);
  const auto plan = plan_of(b, best_isa());
  const int64_t weights = 4 * 4 * H * 2 * H;  // 512 KiB
  const Sums sums = sums_of(*plan, {{32 * kKiB, 64, 8}, {256 * kKiB, 64, 8}});
  CHECK(sums.fetched[1] >= weights / 2);
  CHECK(sums.fetched[1] < T * weights);
}

TEST_CASE("traffic: steps that do not tell what they touch are walked through once") {
  test::GraphMaker maker;
  maker.input("x", test::float_tensor({64, 64}, std::vector<double>(4096, 0.5)));
  maker.node("CumSum", {"x", "axis"}, "y").output("y");
  Tensor axis(DType::i64, {});
  axis.mutable_values<int64_t>()[0] = 0;
  maker.constant("axis", axis);
  CompiledModel model(maker.graph, registry(), {});
  const auto plan = model.plan();
  const Sums sums = sums_of(*plan, {{4 * kKiB, 64, 4}});
  CHECK_FALSE(sums.in_order);
  CHECK(near(sums.fetched[0], 2 * 4 * 4096, 0.05));
}

TEST_CASE("traffic: gives up where a run touches too much, and says so") {
  Builder b = linear(512, 512);
  const auto plan = plan_of(b, best_isa());
  const std::vector<CacheShape> caches = {{32 * kKiB, 64, 8}};
  const Traffic traffic = model_traffic(*plan, caches, 1000);
  CHECK(traffic.rows.empty());
  CHECK_FALSE(traffic.missing.empty());
  CHECK_FALSE(model_traffic(*plan, caches, 100'000).warm);  // done once, from empty caches
  CHECK(model_traffic(*plan, caches).warm);
}

}  // namespace
}  // namespace tally
