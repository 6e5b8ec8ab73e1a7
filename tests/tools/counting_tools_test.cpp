// Rules of other tools, each on layers small enough to count by hand; whole networks are in architectures_test.py.
#include "tools/estimate/counting_tools.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/layers/builder.h"

using namespace tally;
using namespace tally::tools;

namespace {

Tensor weight(const Shape& shape) { return Tensor::without_data(DType::f32, shape); }

/// What a tool adds to the MACs of the graph, by term; checks that the terms sum.
std::map<std::string, int64_t> terms_of(const std::string& tool, const Builder& b) {
  const Graph graph = b.graph();
  const Estimate estimate = Model(graph, {.weights = false}).estimate();
  const ToolCount count = count_as(tool, estimate, graph);
  std::map<std::string, int64_t> terms;
  int64_t sum = count.macs;
  for (const TermSums::Sum& term : count.terms) {
    terms[term.term->key] = term.value;
    sum += term.value;
    CHECK(term.layers > 0);
    CHECK_FALSE(term.most_in.empty());
  }
  CHECK(count.macs == estimate.totals.macs);
  CHECK(count.printed == sum);
  return terms;
}

using Terms = std::map<std::string, int64_t>;

}  // namespace

TEST_CASE("activations, softmax, slopes") {
  Builder b;
  const auto x = b.input({2, 5, 3, 4});  // 120 elements
  b.output(b.node("PRelu", {b.softmax(b.relu(x)), b.constant(weight({5, 1, 1}))})[0]);
  CHECK(terms_of("fvcore", b) == Terms{});
  CHECK(terms_of("thop", b) == Terms{{"softmax", 2 * 5 * 3 * (3 * 4 - 1)}, {"prelu", 120}});
  CHECK(terms_of("ptflops", b) == Terms{{"activation", 3 * 120}, {"module_and_function", 2 * 120}});
  CHECK(terms_of("torchinfo", b) == Terms{{"prelu", 2 * 5}});
  CHECK(terms_of("flopco", b) == Terms{});
  CHECK(terms_of("onnx-tool", b) == Terms{{"elementwise", 120 + 36 * 120 + 2 * 120}});
}

TEST_CASE("pooling") {
  Builder b;
  const auto x = b.input({1, 3, 8, 8});                                         // 192
  const auto y = b.average_pool(x, {2, 2}, {.strides = {2, 2}});                // 48
  b.output(b.global_average_pool(b.max_pool(y, {2, 2}, {.strides = {2, 2}})));  // 12, 3
  CHECK(terms_of("fvcore", b) == Terms{{"adaptive_pool", 12}});
  CHECK(terms_of("thop", b) == Terms{{"average_pool", 48 + 12 + 3}});
  const int64_t inputs = 192 + 48 + 12;
  CHECK(terms_of("ptflops", b) == Terms{{"pool", inputs}, {"module_and_function", inputs}});
  CHECK(terms_of("onnx-tool", b) == Terms{{"pool", 4 * 48 + 4 * 12}, {"global_pool", 12 + 4 * 3}});
}

TEST_CASE("convolution: bias, groups, batch, transposition") {
  Builder b;
  const auto x = b.input({2, 8, 6, 6});
  b.output(b.conv(x, b.constant(weight({4, 4, 3, 3})), b.constant(weight({4})), {.group = 2}));  // 2×4×4×4 outputs
  const int64_t macs = 2 * 4 * 16 * 4 * 9;
  CHECK(terms_of("fvcore", b) == Terms{});
  CHECK(terms_of("thop", b) == Terms{});
  CHECK(terms_of("ptflops", b) == Terms{{"bias", 128}});
  CHECK(terms_of("torchinfo", b) == Terms{{"bias", 128}});
  CHECK(terms_of("onnx-tool", b) == Terms{{"bias", 128}});
  // One input channel instead of four, then one image instead of two.
  CHECK(terms_of("flopco", b) == Terms{{"grouped_conv", macs / 4 - macs}, {"batch_as_1", -macs / 8}});

  Builder t;
  t.output(t.node("ConvTranspose", {t.input({1, 6, 5, 5}), t.constant(weight({6, 2, 3, 3}))},
                  {{"strides", std::vector<int64_t>{2, 2}}})[0]);  // 11×11
  const int64_t wide = 25 * 6 * 2 * 9;
  CHECK(terms_of("fvcore", t) == Terms{});
  for (const char* tool : {"thop", "ptflops", "torchinfo"})
    CHECK(terms_of(tool, t) == Terms{{"transposed_conv", 121 * 6 * 2 * 9 - wide}});
  CHECK(terms_of("onnx-tool", t) == Terms{{"transposed_conv", 2 * 121 * 2 * 9 - wide}});
  CHECK(terms_of("flopco", t) == Terms{{"not_counted", -wide}});
}

TEST_CASE("normalization") {
  Builder b;
  const auto x = b.input({2, 3, 4, 5});  // 120
  const auto c = [&] { return b.constant(weight({3})); };
  const auto y = b.batch_norm(x, c(), c(), c(), c());
  const auto z = b.node("InstanceNormalization", {y, c(), c()})[0];
  b.output(b.layer_norm(z, b.constant(weight({5})), b.constant(weight({5}))));
  CHECK(terms_of("fvcore", b) == Terms{{"batch_norm", 240}, {"norm", 5 * 240}});
  CHECK(terms_of("thop", b) == Terms{{"norm", 4 * 360}});
  CHECK(terms_of("ptflops", b) == Terms{{"norm", 240 + 240 + 120}});
  CHECK(terms_of("torchinfo", b) == Terms{{"norm", 2 * (6 + 6 + 10)}});
  CHECK(terms_of("onnx-tool", b) == Terms{{"norm", 31 * 120 + 7 * 120 + 7 * 120 + 29 * 24}});
}

TEST_CASE("linear layers over sequences, tables, products of activations") {
  Builder b;
  const auto ids = b.input({2, 7}, DType::i64);
  const auto x = b.embedding(b.constant(weight({50, 4})), ids);                            // 2×7×4
  const auto y = b.add(b.matmul(x, b.constant(weight({4, 6}))), b.constant(weight({6})));  // 2×7×6
  b.output(b.matmul(y, b.transpose(y, {0, 2, 1})));                                        // 2×7×7
  const int64_t linear = 14 * 4 * 6, product = 2 * 7 * 6 * 7;
  CHECK(terms_of("fvcore", b) == Terms{});
  CHECK(terms_of("thop", b) == Terms{{"functions_as_0", -product}});
  CHECK(terms_of("ptflops", b) == Terms{{"bias", 84}});
  CHECK(
      terms_of("torchinfo", b) ==
      Terms{{"embedding", 2 * 200}, {"sequence_as_1", 2 * 24 - linear}, {"bias", 2 * 6}, {"functions_as_0", -product}});
  CHECK(terms_of("flopco", b) == Terms{{"batch_as_1", 24 - linear}, {"not_counted", -product}});
  CHECK(terms_of("onnx-tool", b) == Terms{{"elementwise", 84}});

  Builder s;  // one matrix for all of a batch: fvcore and ptflops multiply the first operand's elements
  s.output(s.matmul(s.input({3, 4}), s.input({5, 4, 2})));
  CHECK(terms_of("fvcore", s) == Terms{{"broadcast", 24 - 5 * 24}});
  CHECK(terms_of("ptflops", s) == Terms{{"broadcast", 24 - 5 * 24}});
}

TEST_CASE("recurrent layers") {
  Builder b;
  const int64_t T = 5, B = 2, I = 3, H = 4;
  const auto x = b.input({T, B, I});
  b.output(b.gru(x, b.constant(weight({1, 3 * H, I})), b.constant(weight({1, 3 * H, H}))));  // no biases
  const int64_t macs = T * B * 3 * (I + H) * H;
  CHECK(terms_of("fvcore", b) == Terms{{"recurrent_as_0", -macs}});
  CHECK(terms_of("thop", b) == Terms{{"recurrent_extras", T * B * (3 + 4) * H}});
  CHECK(terms_of("ptflops", b) == Terms{{"recurrent_extras", T * B * 7 * H}});
  CHECK(terms_of("torchinfo", b) == Terms{});
  CHECK(terms_of("onnx-tool", b) == Terms{{"one_time_step", macs / T - macs}});
}

TEST_CASE("attention as one operator") {
  Builder b;
  const auto x = b.input({1, 6, 8});
  b.output(b.attention(x, x, x, {.q_heads = 2, .kv_heads = 2}));
  const int64_t macs = 2 * 6 * 6 * 8;
  CHECK(terms_of("fvcore", b) == Terms{{"attention_as_0", -macs}});
  for (const char* tool : {"thop", "ptflops", "torchinfo"})
    CHECK(terms_of(tool, b) == Terms{{"functions_as_0", -macs}});
  CHECK(terms_of("onnx-tool", b) == Terms{{"unregistered_as_0", -macs}});
}

TEST_CASE("JSON: the terms sum to what is printed") {
  Builder b;
  b.output(b.linear(b.input({1, 100}), b.constant(weight({10, 100})), b.constant(weight({10}))));
  const Graph graph = b.graph();
  const auto json = counting_json(count_as("ptflops", Model(graph, {.weights = false}).estimate(), graph));
  CHECK(json["tool"] == "ptflops");
  CHECK(json["macs"] == 1000);
  CHECK(json["printed"] == 1010);
  CHECK(json["terms"][0]["term"] == "bias");
  CHECK(json["terms"][0]["error"] == false);
  CHECK_THROWS_AS(count_as("abacus", Estimate{}, graph), Error);
}
