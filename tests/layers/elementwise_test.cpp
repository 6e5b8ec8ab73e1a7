#include "layer_run.h"

namespace {

using namespace tally;
using namespace tally::test;

constexpr const char* kOps[] = {"Add", "Sub", "Mul", "Div"};

double combine(const std::string& op, double a, double b) {
  if (op == "Add" || op == "Sum") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  return a / b;
}

/// Values away from 0, so that quotients stay near them.
std::vector<double> operand_values(const Shape& shape, uint32_t seed) {
  std::vector<double> values = random_values(element_count(shape), seed);
  for (double& v : values) v = v < 0 ? v - 0.5 : v + 0.5;
  return values;
}

/// Index into an operand of element i of the result.
size_t source_of(int64_t i, const Shape& result, const Shape& operand) {
  const Shape strides = row_major_strides(result), own = row_major_strides(operand);
  int64_t at = 0;
  for (size_t d = 0; d < operand.size(); ++d) {
    const size_t r = d + result.size() - operand.size();
    if (operand[d] != 1) at += i / strides[r] % result[r] * own[d];
  }
  return static_cast<size_t>(at);
}

std::vector<double> oracle(const std::string& op, const Shape& a, const std::vector<double>& x, const Shape& b,
                           const std::vector<double>& y) {
  const Shape shape = *broadcast(a, b);
  std::vector<double> result;
  for (int64_t i = 0; i < element_count(shape); ++i)
    result.push_back(combine(op, x[source_of(i, shape, a)], y[source_of(i, shape, b)]));
  return result;
}

std::vector<double> magnitudes(const std::vector<double>& values) {
  std::vector<double> m;
  for (double v : values) m.push_back(std::abs(v) + 1e-3);
  return m;
}

std::string error_of(const GraphMaker& made) {
  try {
    run_graph(made, Isa::scalar);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const std::pair<Shape, Shape> kShapes[] = {
    {{}, {}},
    {{7}, {7}},
    {{2, 19, 5, 3}, {2, 19, 5, 3}},
    {{2, 19, 5, 3}, {}},
    {{2, 19, 5, 3}, {19, 1, 1}},
    {{2, 19, 5, 3}, {3}},
    {{2, 19, 5, 3}, {2, 19, 1, 1}},
    {{2, 19, 5, 3}, {2, 1, 5, 3}},
    {{2, 19, 5, 3}, {1, 19, 5, 1}},
    {{3, 1, 5}, {4, 1}},
    {{1, 16, 4, 4}, {1, 16, 4, 4}},
    {{2, 1, 3, 1, 2, 1}, {1, 4, 1, 5, 1, 6}},
    {{1, 40}, {40}},
    {{9000}, {1}},
    {{2, 0, 3}, {1, 1, 3}},
    {{1 << 30, 0, 4}, {4}},
};

void check_pair(const std::string& op, const Shape& a, const Shape& b, Isa isa, bool constant) {
  CAPTURE(op);
  CAPTURE(to_string(a));
  CAPTURE(to_string(b));
  const std::vector<double> x = operand_values(a, 1), y = operand_values(b, 2), expected = oracle(op, a, x, b, y);
  GraphMaker g;
  g.input("a", float_tensor(a, x));
  constant ? g.constant("b", float_tensor(b, y)) : g.input("b", float_tensor(b, y));
  g.node(op, {"a", "b"}, "y").output("y");
  run_every_candidate(g, isa, [&](const Ran& ran) {
    CAPTURE(OneCandidate::wanted);
    CHECK(ran.outputs[0].shape() == *broadcast(a, b));
    check_close(ran.outputs[0], expected, magnitudes(expected), 1);
    CHECK(ran.plan->estimate.layers[0].cost.elementwise == static_cast<int64_t>(expected.size()));
  });
}

TEST_CASE("Add, Sub, Mul, Div: every kind of broadcasting, both ways, both layouts, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const auto& [a, b] : kShapes)
      for (const char* op : kOps) {
        check_pair(op, a, b, isa, false);
        check_pair(op, b, a, isa, false);
        check_pair(op, a, b, isa, true);
      }
  }
}

TEST_CASE("Sum: any number of operands") {
  const Shape shapes[] = {{19, 1, 1}, {2, 19, 5, 3}, {1}, {2, 1, 5, 3}};
  for (const Isa isa : usable_isas())
    for (size_t n = 1; n <= 4; ++n) {
      GraphMaker g;
      std::vector<std::string> names;
      Shape shape;
      std::vector<double> expected(1, 0.0);
      for (size_t i = 0; i < n; ++i) {
        names.push_back(text("x", i));
        const std::vector<double> x = operand_values(shapes[i], static_cast<uint32_t>(i));
        expected = oracle("Sum", shape, expected, shapes[i], x);
        shape = *broadcast(shape, shapes[i]);
        g.input(names.back(), float_tensor(shapes[i], x));
      }
      g.node("Sum", names, "y").output("y");
      run_every_candidate(g, isa, [&](const Ran& ran) {
        check_close(ran.outputs[0], expected, std::vector<double>(expected.size(), 6.0), 3);
        CHECK(ran.plan->estimate.layers[0].cost.elementwise == static_cast<int64_t>((n - 1) * expected.size()));
      });
    }
}

template <class T>
std::vector<double> run_integers(DType type, const std::string& op, const std::vector<T>& a, const std::vector<T>& b) {
  GraphMaker g;
  g.input("a", Tensor::of<T>(type, {static_cast<int64_t>(a.size())}, a))
      .input("b", Tensor::of<T>(type, {static_cast<int64_t>(b.size())}, b));
  g.node(op, {"a", "b"}, "y").output("y");
  return run_graph(g, best_isa()).outputs[0].to_double();
}

TEST_CASE("integers wrap; division truncates and survives 0 and the most negative number") {
  using V = std::vector<double>;
  CHECK(run_integers<uint8_t>(DType::u8, "Add", {250, 1}, {10, 2}) == V{4, 3});
  CHECK(run_integers<uint8_t>(DType::u8, "Sub", {1, 9}, {2, 4}) == V{255, 5});
  CHECK(run_integers<uint8_t>(DType::u8, "Mul", {16, 3}, {17, 5}) == V{16, 15});
  CHECK(run_integers<int64_t>(DType::i64, "Div", {7, -7, 7, -7, 5}, {2, 2, -2, -2, 0}) == V{3, -3, -3, 3, 0});
  CHECK(run_integers<int32_t>(DType::i32, "Div", {INT32_MIN}, {-1}) == V{INT32_MIN});
  CHECK(run_integers<double>(DType::f64, "Div", {1}, {3}) == V{1.0 / 3.0});
}

TEST_CASE("before opset 7: broadcast and axis") {
  const std::vector<double> x = operand_values({2, 3, 4}, 1), b = operand_values({3}, 2);
  GraphMaker g;
  g.input("a", float_tensor({2, 3, 4}, x)).input("b", float_tensor({3}, b));
  g.node("Mul", {"a", "b"}, "y", {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}, 6).output("y");
  const std::vector<double> expected = oracle("Mul", {2, 3, 4}, x, {3, 1}, b);
  check_close(run_graph(g, best_isa()).outputs[0], expected, magnitudes(expected), 1);

  GraphMaker bare;
  bare.input("a", float_tensor({2, 3, 4}, x))
      .input("b", float_tensor({3}, b))
      .node("Add", {"a", "b"}, "y", {}, 6)
      .output("y");
  CHECK(error_of(bare) == "Add 'y': B of shape 3 must equal A's 2x3x4");
  bare.graph.nodes[0].attributes = {{"broadcast", int64_t{1}}};
  CHECK(error_of(bare) == "Add 'y': B of shape 3 must broadcast to A's 2x3x4");
}

TEST_CASE("what constant operands count as") {
  const auto count = [](const Shape& shape) {
    GraphMaker g;
    g.input("a", Tensor(DType::f32, {1, 6, 4, 4}))
        .constant("b", Tensor(DType::f32, shape))
        .node("Add", {"a", "b"}, "y")
        .output("y");
    return run_graph(g, best_isa()).plan->estimate.layers[0];
  };
  CHECK(count({1, 1, 1}).params == 0);  // one element is free
  CHECK(count({1, 1, 1}).bytes_weights == 0);
  CHECK(count({6, 1, 1}).params == 6);
  CHECK(count({6, 1, 1}).bytes_weights == 24);
  CHECK(count({4, 4}).constants == 16);
  CHECK(count({4, 4}).params == 0);
  CHECK(count({4, 4}).bytes_weights == 64);
  CHECK(count({4, 4}).bytes_read == 384);
  CHECK(count({4, 4}).bytes_written == 384);
}

TEST_CASE("Add absorbs Relu and Clip; a convolution absorbs constant operands") {
  const std::vector<double> x = random_values(2 * 19 * 5, 1), b = random_values(2 * 19 * 5, 2);
  GraphMaker g;
  g.input("a", float_tensor({2, 19, 5}, x)).input("b", float_tensor({2, 19, 5}, b));
  g.node("Add", {"a", "b"}, "s").node("Relu", {"s"}, "y").output("y");
  for (const Isa isa : usable_isas()) {
    const Ran ran = run_graph(g, isa);
    CHECK(ran.plan->rows.size() == 1);
    std::vector<double> expected;
    for (size_t i = 0; i < x.size(); ++i) expected.push_back(std::max(0.0, x[i] + b[i]));
    check_close(ran.outputs[0], expected, std::vector<double>(x.size(), 2.0), 1);
  }
  const std::vector<double> w = random_values(4 * 3, 3), c = operand_values({4, 1, 1}, 4);
  for (const char* op : kOps)
    for (const bool swapped : {false, true}) {
      CAPTURE(op);
      GraphMaker conv;
      conv.input("x", float_tensor({1, 3, 2, 5}, random_values(30, 5))).constant("w", float_tensor({4, 3, 1, 1}, w));
      conv.constant("c", float_tensor({4, 1, 1}, c));
      conv.node("Conv", {"x", "w"}, "h");
      swapped ? conv.node(op, {"c", "h"}, "y") : conv.node(op, {"h", "c"}, "y");
      conv.output("y");
      const Ran folded = run_graph(conv, best_isa()), plain = run_graph(conv, best_isa(), false);
      CHECK(folded.plan->rows.size() == (swapped && std::string(op) == "Div" ? 2 : 1));
      if (swapped && std::string(op) == "Div") continue;  // not folded, and not near any bound
      check_close(folded.outputs[0], plain.outputs[0].to_double(), std::vector<double>(40, 8.0), 8);
    }
}

TEST_CASE("very many short rows go without tables, with the same result") {
  const int64_t n = 2100;
  const std::vector<double> x = random_values(n * 2, 1), y = random_values(n * 2, 2);
  GraphMaker g;
  g.input("a", float_tensor({n, 1, 2}, x)).input("b", float_tensor({1, n, 2}, y));
  g.node("Sub", {"a", "b"}, "d").node("Relu", {"d"}, "y").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.plan->rows.size() == 1);
  const std::span<const float> found = ran.outputs[0].values<float>();
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t k = 0; k < 2; ++k) {
        const double d = x[static_cast<size_t>(2 * i + k)] - y[static_cast<size_t>(2 * j + k)];
        wrong += found[static_cast<size_t>((i * n + j) * 2 + k)] != static_cast<float>(d > 0 ? d : 0);
      }
  CHECK(wrong == 0);
}

TEST_CASE("elementwise: bad operands name node, found and required") {
  GraphMaker g;
  g.input("a", Tensor(DType::f32, {2, 3})).input("b", Tensor(DType::f32, {2})).node("Add", {"a", "b"}, "y").output("y");
  CHECK(error_of(g) == "Add 'y': B of shape 2 must broadcast with A of shape 2x3");
  GraphMaker types;
  types.input("a", Tensor(DType::f32, {2}))
      .input("b", Tensor(DType::f64, {2}))
      .node("Sub", {"a", "b"}, "y")
      .output("y");
  CHECK(error_of(types) == "Sub 'y': B of type float64 must be float32 like A");
  GraphMaker boolean;
  boolean.input("a", Tensor(DType::boolean, {2}))
      .input("b", Tensor(DType::boolean, {2}))
      .node("Mul", {"a", "b"}, "y")
      .output("y");
  CHECK(error_of(boolean) == "Mul 'y': A of type bool must be a number");
}

}  // namespace
