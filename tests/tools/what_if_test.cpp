#include "tools/estimate/what_if.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tally/layers/builder.h"

using namespace tally;
using namespace tally::tools;

namespace {

Tensor weight(const Shape& shape) { return Tensor::without_data(DType::f32, shape); }

std::vector<VariantCost> costs_of(const Builder& b, const std::string& what) {
  const Graph graph = b.graph();
  return variant_costs(Model(graph, {.weights = false}).estimate(), graph, parse_what_if(what));
}

/// 8 → 20 → 10, Relu between.
Builder two_layers() {
  Builder b;
  const auto h = b.relu(b.linear(b.input({3, 8}), b.constant(weight({20, 8})), b.constant(weight({20}))));
  b.output(b.linear(h, b.constant(weight({10, 20})), b.constant(weight({10}))));
  return b;
}

}  // namespace

TEST_CASE("what if: a smaller number format") {
  const std::vector<VariantCost> costs = costs_of(two_layers(), "dtype=int8");
  REQUIRE(costs.size() == 2);
  CHECK(costs[0].params == 9 * 20 + 21 * 10);
  CHECK(costs[1].params == costs[0].params);
  CHECK(costs[1].macs == costs[0].macs);
  CHECK(costs[0].model_bytes == 4 * 390);
  CHECK(costs[1].model_bytes == 390);
  CHECK(costs[1].bytes_compulsory * 4 == costs[0].bytes_compulsory);
}

TEST_CASE("what if: pruning spares what goes in and what comes out") {
  const std::vector<VariantCost> costs = costs_of(two_layers(), "prune=0.5");
  CHECK(costs[1].params == 9 * 10 + 11 * 10);
  CHECK(costs[1].macs == 3 * (8 * 10 + 10 * 10));
  CHECK(costs[1].bytes_compulsory == 4 * (24 + 90 + 30 + 2 * 30 + 30 + 110 + 30));
}

TEST_CASE("what if: pruning of convolutions, depthwise ones included") {
  Builder b;
  auto x = b.conv(b.input({1, 3, 8, 8}), b.constant(weight({16, 3, 3, 3})), {}, {.pads = {1, 1, 1, 1}});
  const auto c = [&] { return b.constant(weight({16})); };
  x = b.relu(b.batch_norm(x, c(), c(), c(), c()));
  x = b.conv(x, b.constant(weight({16, 1, 3, 3})), {}, {.pads = {1, 1, 1, 1}, .group = 16});
  b.output(b.conv(x, b.constant(weight({32, 16, 1, 1}))));
  const std::vector<VariantCost> costs = costs_of(b, "prune=0.25");
  CHECK(costs[1].params == 12 * 27 + 2 * 12 + 12 * 9 + 32 * 12);
  CHECK(costs[1].macs == 64 * (12 * 27 + 12 * 9 + 32 * 12));
}

TEST_CASE("what if: low rank") {
  const std::vector<VariantCost> linear = costs_of(two_layers(), "rank=0.25");
  // R = ⌊0.25·8⌋ and ⌊0.25·10⌋, both 2.
  CHECK(linear[1].params == 2 * (8 + 20) + 20 + 2 * (20 + 10) + 10);
  CHECK(linear[1].macs == 3 * (2 * 28 + 2 * 30));
  const int64_t weights = 390 - (2 * 28 + 20 + 2 * 30 + 10);
  CHECK(linear[1].bytes_compulsory == linear[0].bytes_compulsory - 4 * weights + 4 * 2 * (3 * 2 + 3 * 2));

  Builder b;
  b.output(b.conv(b.input({1, 4, 6, 6}), b.constant(weight({8, 4, 3, 3}))));  // 16 positions, C·Πk = 36
  const std::vector<VariantCost> conv = costs_of(b, "rank=0.5");
  CHECK(conv[1].params == 4 * 36 + 8 * 4);
  CHECK(conv[1].macs == 16 * (4 * 36 + 8 * 4));
}

TEST_CASE("what if: several changes, each alone and together") {
  const std::vector<VariantCost> costs = costs_of(two_layers(), "dtype=fp16,prune=0.5,rank=0.5");
  REQUIRE(costs.size() == 5);
  CHECK(costs[4].name == "dtype=fp16,prune=0.5,rank=0.5");
  // 8 → 10 → 10, ranks 4 and 5.
  CHECK(costs[4].params == 4 * 18 + 10 + 5 * 20 + 10);
  CHECK(costs[4].model_bytes == 2 * costs[4].params);
  CHECK(what_if_json(costs)[4]["coverage"] == "approximate");
  CHECK(what_if_part(costs).table.rows.size() == 5);
}

TEST_CASE("what if: recurrent layers follow both sides") {
  Builder b;
  const auto lstm = [&](Builder::Value x, int64_t I) {
    return b.lstm(std::move(x), b.constant(weight({1, 32, I})), b.constant(weight({1, 32, 8})),
                  b.constant(weight({1, 64})));
  };
  const auto h = b.squeeze(lstm(b.input({5, 1, 6}), 6), {1});
  b.output(lstm(h, 8));
  const std::vector<VariantCost> costs = costs_of(b, "prune=0.5");
  CHECK(costs[1].macs == 5 * 4 * ((6 + 4) * 4 + (4 + 8) * 8));
  CHECK(costs[1].params == 4 * (6 + 4 + 2) * 4 + 4 * (4 + 8 + 2) * 8);
}

TEST_CASE("what if: refusals") {
  for (const char* bad : {"", "dtype=int4", "prune", "prune=0", "prune=1", "prune=x", "rank=1.5", "speed=2",
                          "prune=0.5,", "prune=0.5,prune=0.25", "dtype=int8 "})
    CHECK_THROWS_AS(parse_what_if(bad), Error);
}
