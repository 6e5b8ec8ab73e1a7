#include <doctest/doctest.h>

#include "layer_run.h"
#include "tally/engine/profile.h"
#include "tally/layers/builder.h"

namespace {

using namespace tally;
using namespace tally::test;

TEST_CASE("builder: a linear net with its counters in ten lines") {
  Builder b;
  const auto x = b.input({1, 3});
  const auto w = b.constant({2, 3}, {1, 2, 3, 4, 5, 6});
  b.output(b.relu(b.linear(x, w, b.constant({2}, {10, -2000}))));
  Context context(b.build());
  context.feed({{"input_0", float_tensor({1, 3}, {1, 10, 100})}});
  const Profile profiled = profile(context, {.repeats = 1, .measure_overhead = false});
  CHECK(context.output<float>(0)[0] == 331);
  CHECK(context.output<float>(0)[1] == 0);
  CHECK(profiled.executed.macs == 6);
  CHECK(!profiled.broken_law);
  const EstimateTotals totals = estimate(context.model()).totals;
  CHECK(totals.params == 8);
  CHECK(totals.ops_fused == 8);
}

TEST_CASE("builder: LeNet-5 as the textbook counts it") {
  Builder b;
  const auto zeros = [&](const Shape& shape) { return b.constant(Tensor(DType::f32, shape)); };
  auto h = b.input({1, 1, 32, 32});
  h = b.max_pool(b.relu(b.conv(h, zeros({6, 1, 5, 5}), zeros({6}))), {2, 2}, {.strides = {2, 2}});
  h = b.max_pool(b.relu(b.conv(h, zeros({16, 6, 5, 5}), zeros({16}))), {2, 2}, {.strides = {2, 2}});
  h = b.relu(b.linear(b.flatten(h), zeros({120, 400}), zeros({120})));
  h = b.relu(b.linear(h, zeros({84, 120}), zeros({84})));
  b.output(b.linear(h, zeros({10, 84}), zeros({10})));
  const EstimateTotals totals = b.build().estimate().totals;
  CHECK(totals.params == 61706);
  CHECK(totals.macs == 416520);
  CHECK(totals.ops_sequential == 833040);
  CHECK(totals.ops_fused == 423038);
  CHECK(totals.comparisons == 11236);
  CHECK(totals.activation_elements_textbook == 8094);
  CHECK(totals.training_elements == 141648);
}

TEST_CASE("builder: every method makes a node that runs") {
  Builder b;
  const auto x = b.input({1, 4, 6, 6});
  const auto c = [&](const Shape& shape, float value) {
    return b.constant(shape, std::vector<float>(static_cast<size_t>(element_count(shape)), value));
  };
  auto h = b.conv(x, c({8, 1, 3, 3}, 0.1f), c({8}, 0.5f), {.strides = {1, 1}, .pads = {1, 1, 1, 1}, .group = 4});
  h = b.batch_norm(h, c({8}, 1), c({8}, 0), c({8}, 0.25f), c({8}, 4));
  h = b.clip(b.tanh(b.sigmoid(b.exp(h))), 0.1f, 0.9f);
  h = b.average_pool(b.pad(h, {0, 0, 1, 1, 0, 0, 1, 1}), {2, 2},
                     {.strides = {2, 2}, .ceil_mode = true, .count_include_pad = true});
  h = b.sub(b.add(h, b.identity(h)), b.div(b.mul(h, h), c({1}, 2)));
  h = b.concat({h, b.dropout(h), b.sum({h, h, h})}, 1);
  const auto pooled = b.add(b.global_average_pool(h), b.global_max_pool(h));
  const auto vector = b.squeeze(b.unsqueeze(b.reshape(pooled, {0, -1}), {0}), {0});
  const auto product = b.gemm(vector, b.transpose(c({5, 24}, 0.01f), {1, 0}), {}, {.alpha = 0.5f});
  const auto y = b.softmax(b.matmul(product, c({5, 3}, 1)));
  const auto named = b.named(b.flatten(b.relu(b.max_pool(x, {3, 3}))), "flat");
  const Graph graph = b.graph({y, named});
  CHECK(graph.outputs.size() == 2);
  CHECK(graph.outputs[1].name == "flat");
  CHECK(graph.opsets.at("") == kNewestOpset);
  GraphMaker made;
  made.graph = graph;
  made.feeds["input_0"] = float_tensor({1, 4, 6, 6}, random_values(144, 3));
  const Ran rewritten = run_graph(made, best_isa()), plain = run_graph(made, Isa::scalar, false);
  const std::vector<double> probabilities = rewritten.outputs[0].to_double();
  CHECK(probabilities[0] + probabilities[1] + probabilities[2] == doctest::Approx(1));
  check_close(rewritten.outputs[0], plain.outputs[0].to_double(), std::vector<double>(3, 1.0), 100);
}

TEST_CASE("builder: any operator, several outputs") {
  Builder b;
  const auto x = b.input({1, 1, 4, 4});
  const auto pooled = b.node("MaxPool", {x}, {{"kernel_shape", Builder::Ints{2, 2}}}, 2);
  const Graph graph = b.graph({pooled[1]});
  Context context{Model(graph)};
  context.feed({{"input_0", float_tensor({1, 1, 4, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})}});
  context.run();
  CHECK(context.output_tensor(0).to_int64() == std::vector<int64_t>{5, 6, 7, 9, 10, 11, 13, 14, 15});
}

TEST_CASE("builder: mistakes are errors") {
  Builder b;
  const auto x = b.input({2});
  CHECK_THROWS_WITH_AS(b.graph(), "graph: no outputs; must have at least one", Error);
  CHECK_THROWS_WITH_AS(b.constant(Shape{2, 2}, std::vector<float>{1, 2, 3}),
                       "constant: 3 values must be 4 for shape 2x2", Error);
  Builder other;
  const auto stranger = other.relu(other.input({1}));
  CHECK_THROWS_WITH_AS(b.graph({stranger}), "builder: a value of another builder must be one of its own", Error);
  CHECK_THROWS_AS(b.relu(stranger), Error);
  CHECK_THROWS_AS(Model(b.graph(b.node("NoSuchOperator", {x}))), Error);
  b.named(b.relu(x), "twice");
  b.named(b.tanh(x), "twice");
  CHECK_THROWS_AS(b.graph({x}), Error);
}

}  // namespace
