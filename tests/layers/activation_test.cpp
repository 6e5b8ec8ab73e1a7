#include "layer_run.h"

#include <functional>
#include <limits>

namespace {

using namespace tally;
using namespace tally::test;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string error_of(const GraphMaker& made) {
  try {
    run_graph(made, Isa::scalar);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

struct Function {
  const char* op;
  std::function<double(double)> f;
  double ulps;  ///< of 2^-24, on results of at most 20
};

const Function kFunctions[] = {
    {"Relu", [](double x) { return x > 0 ? x : 0; }, 0.001},
    {"Tanh", [](double x) { return std::tanh(x); }, 8},
    {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }, 8},
    {"Exp", [](double x) { return std::exp(x); }, 8},
};

TEST_CASE("unary functions: values, counts and costs in both layouts, every ISA") {
  for (const Isa isa : usable_isas())
    for (const Function& function : kFunctions)
      for (const Shape& shape : {Shape{}, Shape{1}, Shape{5000}, Shape{2, 19, 5, 3}, Shape{1, 16, 7}}) {
        CAPTURE(function.op);
        CAPTURE(to_string(shape));
        std::vector<double> x = random_values(element_count(shape), 3), expected, scale;
        for (double& v : x) {
          v *= 3;
          expected.push_back(function.f(v));
          scale.push_back(std::abs(expected.back()));
        }
        GraphMaker g;
        g.input("x", float_tensor(shape, x)).node(function.op, {"x"}, "y").output("y");
        run_every_candidate(g, isa, [&](const Ran& ran) {
          check_close(ran.outputs[0], expected, scale, function.ulps);
          const Cost& cost = ran.plan->estimate.layers[0].cost;
          const int64_t n = element_count(shape);
          const bool relu = std::string(function.op) == "Relu";
          CHECK(cost.comparisons == (relu ? n : 0));
          CHECK(cost.elementwise == (relu ? n : 0));
          CHECK(cost.special == (relu ? 0 : n));
        });
      }
}

TEST_CASE("Relu keeps NaN and the sign of nothing else") {
  GraphMaker g;
  g.input("x", float_tensor({4}, {NAN, -kInfinity, kInfinity, -1})).node("Relu", {"x"}, "y").output("y");
  for (const Isa isa : usable_isas()) {
    const std::vector<double> y = run_graph(g, isa).outputs[0].to_double();
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 0);
    CHECK(y[2] == kInfinity);
    CHECK(y[3] == 0);
  }
}

TEST_CASE("Clip: attributes before opset 11, operands from then on") {
  const std::vector<double> x = {-3, -1, -0.5, 0, 0.5, 1, 3};
  const auto clipped = [&](double lo, double hi) {
    std::vector<double> y;
    for (double v : x) y.push_back(v < lo ? lo : v > hi ? hi : v);
    return y;
  };
  GraphMaker old;
  old.input("x", float_tensor({7}, x)).node("Clip", {"x"}, "y", {{"min", -1.0f}, {"max", 0.5f}}, 6).output("y");
  CHECK(run_graph(old, best_isa()).outputs[0].to_double() == clipped(-1, 0.5));
  for (const bool constant : {true, false}) {
    GraphMaker g;
    g.input("x", float_tensor({7}, x));
    constant ? g.constant("hi", Tensor::scalar(0.5f)) : g.input("hi", Tensor::scalar(0.5f));
    g.node("Clip", {"x", "", "hi"}, "y").output("y");
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.outputs[0].to_double() == clipped(-kInfinity, 0.5));
    CHECK(ran.plan->rows[0].kernel == (constant ? "map" : "host"));
    CHECK(ran.plan->estimate.layers[0].cost.comparisons == 14);
    CHECK(ran.plan->estimate.layers[0].cost.elementwise == 14);
    CHECK(ran.plan->estimate.totals.params == 0);
  }
  GraphMaker crossed;  // min > max: all become max
  crossed.input("x", float_tensor({7}, x)).constant("lo", Tensor::scalar(2)).constant("hi", Tensor::scalar(1));
  crossed.node("Clip", {"x", "lo", "hi"}, "y").output("y");
  CHECK(run_graph(crossed, best_isa()).outputs[0].to_double() == std::vector<double>(7, 1.0));
}

TEST_CASE("Clip and Relu: integers and 16-bit floats") {
  GraphMaker g;
  const std::vector<int8_t> x = {-128, -5, 0, 7, 127};
  const auto scalar = [](int8_t v) { return Tensor::of<int8_t>(DType::i8, {}, std::vector<int8_t>{v}); };
  g.input("x", Tensor::of<int8_t>(DType::i8, {5}, x)).constant("lo", scalar(-4)).constant("hi", scalar(9));
  g.node("Clip", {"x", "lo", "hi"}, "y").node("Relu", {"x"}, "r").output("y").output("r");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_double() == std::vector<double>{-4, -4, 0, 7, 9});
  CHECK(ran.outputs[1].to_double() == std::vector<double>{0, 0, 0, 7, 127});

  GraphMaker half;
  Tensor h(DType::f16, {3});
  for (size_t i = 0; i < 3; ++i) h.mutable_values<Half>()[i] = to_half(static_cast<float>(i) - 1.0f);
  half.input("x", h).node("Sigmoid", {"x"}, "y").output("y");
  const std::vector<double> y = run_graph(half, best_isa()).outputs[0].to_double();
  CHECK(y[1] == 0.5);
  CHECK(y[2] == doctest::Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-3));
}

TEST_CASE("unary functions overwrite a dying operand of the plan's own") {
  GraphMaker g;
  g.input("x", float_tensor({1000}, random_values(1000, 1)));
  g.node("Tanh", {"x"}, "a").node("Sigmoid", {"a"}, "b").node("Exp", {"b"}, "c").node("Tanh", {"c"}, "y").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.plan->arena_bytes <= 4000 + 128);
  CHECK(ran.plan->estimate.totals.peak_activation_bytes == 8000);  // x, then x and its successor
}

TEST_CASE("unary functions: bad operands name node, found and required") {
  GraphMaker wrong;
  wrong.input("x", Tensor::of_int64({1})).node("Tanh", {"x"}, "y").output("y");
  CHECK(error_of(wrong) == "Tanh 'y': X of type int64 must be float16, bfloat16, float32 or float64");
  GraphMaker many;
  many.input("x", Tensor::scalar(1))
      .constant("lo", float_tensor({2}, {1, 2}))
      .node("Clip", {"x", "lo"}, "y")
      .output("y");
  CHECK(error_of(many) == "Clip 'y': min of shape 2 must have one element");
  GraphMaker mixed;
  mixed.input("x", Tensor::scalar(1)).constant("lo", Tensor::of_int64({1})).node("Clip", {"x", "lo"}, "y").output("y");
  CHECK(error_of(mixed) == "Clip 'y': min of type int64 must be float32 like X");
}

}  // namespace
