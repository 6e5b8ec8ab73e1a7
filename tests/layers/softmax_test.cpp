#include <tuple>

#include "layer_run.h"

namespace {

using namespace tally;
using namespace tally::test;

/// Rows of `width` elements `inner` apart.
std::vector<double> oracle(const std::vector<double>& x, int64_t width, int64_t inner) {
  std::vector<double> y(x.size());
  for (int64_t row = 0; row < static_cast<int64_t>(x.size()) / width; ++row) {
    const int64_t first = row / inner * width * inner + row % inner;
    double largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < width; ++j) largest = std::max(largest, x[static_cast<size_t>(first + j * inner)]);
    for (int64_t j = 0; j < width; ++j) sum += std::exp(x[static_cast<size_t>(first + j * inner)] - largest);
    for (int64_t j = 0; j < width; ++j)
      y[static_cast<size_t>(first + j * inner)] = std::exp(x[static_cast<size_t>(first + j * inner)] - largest) / sum;
  }
  return y;
}

void check_softmax(const Shape& shape, std::optional<int64_t> axis, int opset, int64_t width, int64_t inner, Isa isa) {
  CAPTURE(to_string(shape));
  CAPTURE(opset);
  std::vector<double> x = random_values(element_count(shape), 5);
  for (double& v : x) v *= 20;
  GraphMaker g;
  g.input("x", float_tensor(shape, x));
  std::map<std::string, Attribute> attributes;
  if (axis) attributes["axis"] = *axis;
  g.node("Softmax", {"x"}, "y", attributes, opset).output("y");
  const Ran ran = run_graph(g, isa);
  const std::vector<double> expected = oracle(x, width, inner);
  check_close(ran.outputs[0], expected, expected, static_cast<double>(8 + width / 4));
  const Cost& cost = ran.plan->estimate.layers[0].cost;
  const int64_t rows = static_cast<int64_t>(x.size()) / width;
  CHECK(cost.comparisons == rows * (width - 1));
  CHECK(cost.elementwise == rows * (3 * width - 1));
  CHECK(cost.special == rows * width);
}

TEST_CASE("Softmax: any axis; before opset 13 all axes from one on; every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    check_softmax({3, 10}, {}, 13, 10, 1, isa);
    check_softmax({2, 3, 5, 7}, 1, 13, 3, 35, isa);
    check_softmax({2, 3, 5, 7}, -2, 13, 5, 7, isa);
    check_softmax({4, 70}, 0, 13, 4, 70, isa);
    check_softmax({1000}, 0, 13, 1000, 1, isa);
    check_softmax({2, 3, 5, 7}, {}, 11, 105, 1, isa);
    check_softmax({2, 3, 5, 7}, 2, 11, 35, 1, isa);
    check_softmax({2, 3, 5, 7}, 0, 11, 210, 1, isa);
  }
}

TEST_CASE("LogSoftmax runs on the kernel of Softmax: any axis, every ISA") {
  for (const Isa isa : usable_isas())
    for (const auto& [shape, axis, width, inner] :
         {std::tuple{Shape{3, 10}, int64_t{-1}, int64_t{10}, int64_t{1}}, {Shape{2, 3, 5, 7}, 1, 3, 35}}) {
      CAPTURE(name_of(isa));
      std::vector<double> x = random_values(element_count(shape), 5);
      for (double& v : x) v *= 20;
      GraphMaker g;
      g.input("x", float_tensor(shape, x)).node("LogSoftmax", {"x"}, "y", {{"axis", axis}}).output("y");
      const Ran ran = run_graph(g, isa);
      CHECK(ran.plan->rows[0].kernel == "softmax");
      std::vector<double> expected = oracle(x, width, inner);
      for (double& v : expected) v = std::log(v);
      check_close(ran.outputs[0], expected, std::vector<double>(x.size(), 64), 2);
      const Cost& cost = ran.plan->estimate.layers[0].cost;
      CHECK(cost.special == static_cast<int64_t>(x.size()) / width * (width + 1));
    }
}

TEST_CASE("Softmax: a worked example and 64-bit floats") {
  // Ten classes: 9 comparisons, 29 elementwise, 10 exponentials.
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1, 10})).node("Softmax", {"x"}, "y").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.plan->estimate.totals.comparisons == 9);
  CHECK(ran.plan->estimate.totals.elementwise == 29);
  CHECK(ran.plan->estimate.totals.special == 10);
  CHECK(ran.outputs[0].to_double()[3] == doctest::Approx(0.1));

  GraphMaker wide;
  Tensor x(DType::f64, {2, 3});
  const std::vector<double> values = random_values(6, 1);
  for (size_t i = 0; i < 6; ++i) x.mutable_values<double>()[i] = values[i];
  wide.input("x", x).node("Softmax", {"x"}, "y").output("y");
  const std::vector<double> y = run_graph(wide, best_isa()).outputs[0].to_double(), expected = oracle(values, 3, 1);
  for (size_t i = 0; i < 6; ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

TEST_CASE("Softmax: a bad axis names node, found and required") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1, 10})).node("Softmax", {"x"}, "y", {{"axis", int64_t{2}}}).output("y");
  CHECK_THROWS_WITH_AS(run_graph(g, Isa::scalar), "Softmax 'y': axis=2 must be in [-2, 2)", Error);
}

}  // namespace
