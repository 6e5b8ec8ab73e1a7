#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;

constexpr double kEpsilon = 1e-3f;

/// Rows of `width`; element j of row r is scaled by parameter of(r, j).
template <class Of>
std::vector<double> oracle(const std::vector<double>& x, int64_t width, bool centred, const std::vector<double>& scale,
                           const std::vector<double>& bias, Of of) {
  std::vector<double> y;
  for (size_t first = 0; first < x.size(); first += static_cast<size_t>(width)) {
    double mean = 0, squares = 0;
    for (int64_t j = 0; centred && j < width; ++j)
      mean += x[first + static_cast<size_t>(j)] / static_cast<double>(width);
    for (int64_t j = 0; j < width; ++j) squares += std::pow(x[first + static_cast<size_t>(j)] - mean, 2);
    for (int64_t j = 0; j < width; ++j) {
      const size_t c = of(static_cast<int64_t>(first) / width, j);
      const double d =
          (x[first + static_cast<size_t>(j)] - mean) / std::sqrt(squares / static_cast<double>(width) + kEpsilon);
      y.push_back(d * scale[c] + (bias.empty() ? 0 : bias[c]));
    }
  }
  return y;
}

std::vector<double> scales(const std::vector<double>& y, double more) {
  std::vector<double> s;
  for (double v : y) s.push_back(std::abs(v) + more);
  return s;
}

void check_layer_norm(const std::string& op, const Shape& shape, int64_t axis, bool bias, bool constant, Isa isa) {
  CAPTURE(std::string(op));
  CAPTURE(to_string(shape));
  const Shape row(shape.begin() + axis, shape.end());
  const int64_t w = element_count(row), rows = element_count(shape) / w;
  const std::vector<double> x = random_values(element_count(shape), 1), s = random_values(w, 2),
                            b = random_values(w, 3);
  const bool centred = op == "LayerNormalization";
  const std::vector<double> expected = oracle(x, w, centred, s, bias ? b : std::vector<double>{},
                                              [](int64_t, int64_t j) { return static_cast<size_t>(j); });
  GraphMaker g;
  g.input("x", float_tensor(shape, x));
  const auto parameter = [&](const char* name, const std::vector<double>& values) {
    constant ? g.constant(name, float_tensor(row, values)) : g.input(name, float_tensor(row, values));
  };
  parameter("s", s);
  if (bias) parameter("b", b);
  g.node(op, bias ? std::vector<std::string>{"x", "s", "b"} : std::vector<std::string>{"x", "s"}, "y",
         {{"axis", axis}, {"epsilon", 1e-3f}}, 24);
  run_every_candidate(g.output("y"), isa, [&](const Ran& ran) {
    check_close(ran.outputs[0], expected, scales(expected, 2), 8 + static_cast<double>(w) / 4);
    CHECK(ran.plan->rows[0].kernel == "row_norm");
    const NodeEstimate& e = ran.plan->estimate.layers[0];
    CHECK(e.cost.elementwise == rows * (centred ? 7 * w + 2 : 4 * w + 1));
    CHECK(e.cost.special == rows);
    CHECK(e.params == (constant ? w * (1 + bias) : 0));
  });
}

TEST_CASE("LayerNormalization and RMSNormalization: every ISA") {
  for (const Isa isa : usable_isas())
    for (const bool constant : {true, false}) {
      for (const bool bias : {true, false}) {
        check_layer_norm("LayerNormalization", {3, 37}, 1, bias, constant, isa);
        check_layer_norm("LayerNormalization", {2, 3, 5, 7}, 2, bias, constant, isa);
        check_layer_norm("LayerNormalization", {6}, 0, bias, constant, isa);
      }
      check_layer_norm("RMSNormalization", {3, 37}, 1, false, constant, isa);
      check_layer_norm("RMSNormalization", {2, 3, 64}, 2, false, constant, isa);
    }
}

TEST_CASE("LayerNormalization gives the moments that are asked for") {
  const std::vector<double> x = {1, 3, 5, 7, 2, 2, 4, 4};
  for (const Isa isa : usable_isas())
    for (const DType type : {DType::f32, DType::f16}) {
      GraphMaker g;
      g.input("x", typed_tensor(type, {2, 4}, x)).constant("s", typed_tensor(type, {4}, {1, 1, 1, 1}));
      g.node("LayerNormalization", {"x", "s"}, "y", {{"epsilon", 0.0f}}, 24);
      g.graph.nodes[0].outputs = {"y", "m", "d"};
      const Ran ran = run_graph(g.output("y").output("m").output("d"), isa);
      CHECK(ran.outputs[1].shape() == Shape{2, 1});
      CHECK(ran.outputs[1].dtype() == DType::f32);
      CHECK(ran.outputs[1].to_double() == std::vector<double>{4, 3});
      check_close(ran.outputs[2], {1 / std::sqrt(5.0), 1}, {1, 1}, 4);
      CHECK(ran.outputs[0].to_double()[4] == -1);
    }
  GraphMaker only;  // the second alone
  only.input("x", typed_tensor(DType::f32, {2, 4}, x)).constant("s", float_tensor({4}, {1, 1, 1, 1}));
  only.node("LayerNormalization", {"x", "s"}, "y", {}, 24);
  only.graph.nodes[0].outputs = {"y", "", "d"};
  check_close(run_graph(only.output("d"), best_isa()).outputs[0], {1 / std::sqrt(5 + 1e-5), 1 / std::sqrt(1 + 1e-5)},
              {1, 1}, 8);
}

TEST_CASE("parameters that broadcast to the normalised extents, and other types") {
  const std::vector<double> x = random_values(2 * 3 * 4, 1), s = {2, 3, 4}, b = {0.5};
  const std::vector<double> expected =
      oracle(x, 12, true, {2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4}, std::vector<double>(12, 0.5),
             [](int64_t, int64_t j) { return static_cast<size_t>(j); });
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    CAPTURE(name_of(type));
    GraphMaker g;
    g.input("x", typed_tensor(type, {2, 3, 4}, x));
    g.input("s", typed_tensor(type, {3, 1}, s)).input("b", typed_tensor(type, {1}, b));
    g.node("LayerNormalization", {"x", "s", "b"}, "y", {{"axis", int64_t{1}}, {"epsilon", 1e-3f}}, 24).output("y");
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.outputs[0].dtype() == type);
    const double precision = type == DType::bf16 ? 0x1p-6 : type == DType::f16 ? 0x1p-9 : 1e-6;
    const std::vector<double> y = ran.outputs[0].to_double();
    for (size_t i = 0; i < y.size(); ++i)
      CHECK(std::abs(y[i] - expected[i]) <= precision * (1 + std::abs(expected[i])));
  }
}

TEST_CASE("InstanceNormalization and GroupNormalization: every ISA") {
  const Shape shape = {2, 6, 5, 3};
  const std::vector<double> x = random_values(element_count(shape), 1), s = random_values(6, 2),
                            b = random_values(6, 3);
  for (const Isa isa : usable_isas()) {
    GraphMaker instance;
    instance.input("x", float_tensor(shape, x)).constant("s", float_tensor({6}, s)).constant("b", float_tensor({6}, b));
    GraphMaker group = instance, old = instance;
    instance.node("InstanceNormalization", {"x", "s", "b"}, "y", {{"epsilon", 1e-3f}}).output("y");
    const std::vector<double> by_channel =
        oracle(x, 15, true, s, b, [](int64_t row, int64_t) { return static_cast<size_t>(row % 6); });
    run_every_candidate(instance, isa, [&](const Ran& ran) {
      check_close(ran.outputs[0], by_channel, scales(by_channel, 2), 12);
      CHECK(ran.plan->estimate.layers[0].cost.elementwise == 12 * (7 * 15 + 2));
      CHECK(ran.plan->estimate.layers[0].cost.special == 12);
      CHECK(ran.plan->estimate.totals.params == 12);
    });
    group.node("GroupNormalization", {"x", "s", "b"}, "y", {{"num_groups", int64_t{2}}, {"epsilon", 1e-3f}}, 21)
        .output("y");
    const std::vector<double> by_group =
        oracle(x, 45, true, s, b, [](int64_t row, int64_t j) { return static_cast<size_t>(row % 2 * 3 + j / 15); });
    run_every_candidate(group, isa, [&](const Ran& ran) {
      check_close(ran.outputs[0], by_group, scales(by_group, 2), 20);
      CHECK(ran.plan->estimate.layers[0].cost.elementwise == 4 * (7 * 45 + 3));
    });
    old.graph.initializers["s"] = float_tensor({2}, {2, 3});  // before opset 21 a parameter a group
    old.graph.initializers["b"] = float_tensor({2}, {0, 1});
    old.node("GroupNormalization", {"x", "s", "b"}, "y", {{"num_groups", int64_t{2}}, {"epsilon", 1e-3f}}, 18)
        .output("y");
    const std::vector<double> a_group =
        oracle(x, 45, true, {2, 3}, {0, 1}, [](int64_t row, int64_t) { return static_cast<size_t>(row % 2); });
    check_close(run_graph(old, isa).outputs[0], a_group, scales(a_group, 2), 40);
  }
}

TEST_CASE("normalisations of empty tensors") {
  CHECK(result_of("LayerNormalization", {Tensor(DType::f32, {0, 4}), float_tensor({4}, {1, 1, 1, 1})}).empty());
  CHECK(result_of("LayerNormalization", {Tensor(DType::f32, {2, 0}), Tensor(DType::f32, {0})}).empty());
  CHECK(result_of("InstanceNormalization",
                  {Tensor(DType::f32, {1, 2, 0}), float_tensor({2}, {1, 1}), float_tensor({2}, {1, 1})})
            .empty());
  CHECK(result_of("MeanVarianceNormalization", {Tensor(DType::f32, {0, 4, 2, 2})}).empty());
  CHECK(result_of("LpNormalization", {Tensor(DType::f32, {3, 0})}).empty());
  CHECK(result_of("LRN", {Tensor(DType::f32, {1, 0, 2})}, {{"size", int64_t{3}}}).empty());
}

TEST_CASE("MeanVarianceNormalization and LpNormalization") {
  const std::vector<double> x = {1, 3, 5, 7, -2, 2, -4, 4};
  const Ran mvn = run_graph(one_node("MeanVarianceNormalization", {float_tensor({1, 2, 2, 2}, x)}), best_isa());
  check_close(mvn.outputs[0],
              {-3 / std::sqrt(5.0), -1 / std::sqrt(5.0), 1 / std::sqrt(5.0), 3 / std::sqrt(5.0), -2 / std::sqrt(10.0),
               2 / std::sqrt(10.0), -4 / std::sqrt(10.0), 4 / std::sqrt(10.0)},
              std::vector<double>(8, 2), 2);
  CHECK(mvn.plan->estimate.layers[0].cost.elementwise == 2 * (4 * 4 + 2));
  CHECK(mvn.plan->estimate.layers[0].cost.special == 2 * (4 + 2));
  const Tensor v = float_tensor({2, 2}, {3, -4, 0, 0});
  const Ran l2 = run_graph(one_node("LpNormalization", {v}), best_isa());
  check_close(l2.outputs[0], {0.6, -0.8, 0, 0}, {1, 1, 1, 1}, 2);
  CHECK(l2.plan->estimate.layers[0].cost.elementwise == 12);
  CHECK(l2.plan->estimate.layers[0].cost.special == 2);
  check_close(
      run_graph(one_node("LpNormalization", {v}, {{"p", int64_t{1}}, {"axis", int64_t{0}}}), best_isa()).outputs[0],
      {1, -1, 0, 0}, {1, 1, 1, 1}, 2);
}

TEST_CASE("LRN: windows of odd and even size, wider than the channels") {
  const Shape shape = {2, 5, 2, 1};
  const std::vector<double> x = random_values(20, 1);
  for (const int64_t size : {1, 2, 3, 5, 99}) {
    std::vector<double> expected;
    for (int64_t i = 0; i < 20; ++i) {
      const int64_t n = i / 10, c = i / 2 % 5, pixel = i % 2;
      double squares = 0;
      for (int64_t k = std::max<int64_t>(0, c - (size - 1) / 2); k <= std::min<int64_t>(4, c + size / 2); ++k)
        squares += std::pow(x[static_cast<size_t>(n * 10 + k * 2 + pixel)], 2);
      expected.push_back(x[static_cast<size_t>(i)] / std::pow(2 + 0.5 / static_cast<double>(size) * squares, 0.75));
    }
    const Ran ran = run_graph(
        one_node("LRN", {float_tensor(shape, x)}, {{"size", size}, {"alpha", 0.5f}, {"bias", 2.0f}}), best_isa());
    check_close(ran.outputs[0], expected, std::vector<double>(20, 1), 2);
    CHECK(ran.plan->estimate.layers[0].cost.elementwise == 20 * (2 * size + 2));
    CHECK(ran.plan->estimate.layers[0].cost.special == 20);
  }
}

TEST_CASE("LogSoftmax and Hardmax") {
  const std::vector<double> x = {1, 2, 3, 1000, 1000, 0};
  const Ran log = run_graph(one_node("LogSoftmax", {float_tensor({2, 3}, x)}), best_isa());
  const double sum = std::log(std::exp(-2) + std::exp(-1) + 1);
  // Half a unit in the last place of the difference (of 2.4: two of 2^-24), and two of the sum and its logarithm.
  check_close(log.outputs[0], {-2 - sum, -1 - sum, -sum, -std::log(2), -std::log(2), -1000 - std::log(2)},
              {1, 1, 1, 1, 1, 1000}, 4);
  const Cost& cost = log.plan->estimate.layers[0].cost;
  CHECK(cost.comparisons == 4);
  CHECK(cost.elementwise == 16);
  CHECK(cost.special == 8);
  const Ran hard = run_graph(one_node("Hardmax", {float_tensor({2, 3}, x)}), best_isa());
  CHECK(hard.outputs[0].to_double() == std::vector<double>{0, 0, 1, 1, 0, 0});
  CHECK(hard.plan->estimate.layers[0].cost.comparisons == 4);
}

TEST_CASE("normalisations in time") {
  const std::vector<Shape> shapes = {{2, 7, 3}, {3}, {3}};
  CHECK(stream_of("LayerNormalization", shapes, {1}).time_axes == std::vector<int>{1});
  CHECK(!stream_of("LayerNormalization", {{2, 7, 3}, {7, 3}}, {1}, {{"axis", int64_t{1}}}).obstacle.empty());
  CHECK(!stream_of("InstanceNormalization", {{2, 3, 7}, {3}, {3}}, {2}).obstacle.empty());
  CHECK(!stream_of("MeanVarianceNormalization", {{2, 7, 3, 3}}, {2}).obstacle.empty());
  CHECK(stream_of("LRN", {{2, 7, 3, 3}}, {2}, {{"size", int64_t{3}}}).time_axes == std::vector<int>{2});
}

TEST_CASE("normalisations: bad operands name node, found and required") {
  const Tensor x = float_tensor({2, 4}, random_values(8, 1)), s = float_tensor({3}, {1, 1, 1});
  CHECK(error_text(one_node("LayerNormalization", {x, s})) ==
        "LayerNormalization 'y': scale of shape 3 must broadcast to 4");
  CHECK(error_text(one_node("InstanceNormalization", {x, s, s})) ==
        "InstanceNormalization 'y': scale of shape 3 must have shape 4");
  CHECK(error_text(one_node("GroupNormalization", {x, s, s}, {{"num_groups", int64_t{3}}})) ==
        "GroupNormalization 'y': num_groups=3 must divide C=4");
  CHECK(error_text(one_node("GroupNormalization", {x, s, s})) ==
        "GroupNormalization 'y': num_groups=0 must be at least 1");
  CHECK(error_text(one_node("LRN", {x})) == "LRN 'y': size=0 must be at least 1");
  CHECK(error_text(one_node("LpNormalization", {x}, {{"p", int64_t{3}}})) == "LpNormalization 'y': p=3 must be 1 or 2");
}

}  // namespace
