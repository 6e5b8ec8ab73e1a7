#include <functional>
#include <limits>

#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.14159265358979323846;

double softplus(double x) { return std::log1p(std::exp(x)); }
double hard_sigmoid(double x, double a, double b) { return std::max(0.0, std::min(1.0, a * x + b)); }

struct Function {
  const char* op;
  std::function<double(double)> f;
  double offset;  ///< added to values in [−3, 3)
  int comparisons, elementwise, special;
  std::map<std::string, Attribute> attributes = {};
  double ulps = 16;
};

const Function kFunctions[] = {
    {"Sqrt", [](double x) { return std::sqrt(x); }, 3.1, 0, 0, 1},
    {"Log", [](double x) { return std::log(x); }, 3.1, 0, 0, 1},
    {"Sin", [](double x) { return std::sin(x); }, 0, 0, 0, 1},
    {"Cos", [](double x) { return std::cos(x); }, 0, 0, 0, 1},
    {"Tan", [](double x) { return std::tan(x); }, 0, 0, 0, 1},
    {"Asin", [](double x) { return std::asin(x / 4); }, 0, 0, 0, 1},
    {"Acos", [](double x) { return std::acos(x / 4); }, 0, 0, 0, 1},
    {"Atan", [](double x) { return std::atan(x); }, 0, 0, 0, 1},
    {"Sinh", [](double x) { return std::sinh(x); }, 0, 0, 0, 1},
    {"Cosh", [](double x) { return std::cosh(x); }, 0, 0, 0, 1},
    {"Asinh", [](double x) { return std::asinh(x); }, 0, 0, 0, 1},
    {"Acosh", [](double x) { return std::acosh(x); }, 4.5, 0, 0, 1},
    {"Atanh", [](double x) { return std::atanh(x / 4); }, 0, 0, 0, 1},
    {"Erf", [](double x) { return std::erf(x); }, 0, 0, 0, 1},
    {"Reciprocal", [](double x) { return 1 / x; }, 3.1, 0, 1, 0},
    {"Neg", [](double x) { return -x; }, 0, 0, 1, 0},
    {"Abs", [](double x) { return std::abs(x); }, 0, 0, 1, 0},
    {"Sign", [](double x) { return x > 0   ? 1.0
                                   : x < 0 ? -1.0
                                           : 0.0; }, 0, 0, 1, 0},
    {"Floor", [](double x) { return std::floor(x); }, 0, 0, 1, 0},
    {"Ceil", [](double x) { return std::ceil(x); }, 0, 0, 1, 0},
    {"Round", [](double x) { return std::nearbyint(x); }, 0, 0, 1, 0},
    {"LeakyRelu", [](double x) { return x < 0 ? 0.25 * x : x; }, 0, 1, 1, 0, {{"alpha", 0.25f}}},
    {"ThresholdedRelu", [](double x) { return x > 0.5 ? x : 0; }, 0, 1, 0, 0, {{"alpha", 0.5f}}},
    {"Shrink", [](double x) { return x < -0.5  ? x + 0.25
                                     : x > 0.5 ? x - 0.25
                                               : 0; }, 0, 2, 2, 0, {{"bias", 0.25f}}},
    {"HardSigmoid", [](double x) { return hard_sigmoid(x, 0.25, 0.5); }, 0, 2, 2, 0, {{"alpha", 0.25f}}},
    {"HardSwish", [](double x) { return x * hard_sigmoid(x, 1.0 / 6, 0.5); }, 3, 2, 3, 0},
    {"Elu", [](double x) { return x < 0 ? 2 * std::expm1(x) : x; }, 0, 1, 2, 1, {{"alpha", 2.0f}}},
    {"Selu",
     [](double x) { return 1.05070102214813232421875 * (x < 0 ? 1.67326319217681884765625 * std::expm1(x) : x); }, 0, 1,
     4, 1},
    {"Celu", [](double x) { return x < 0 ? 2 * std::expm1(x / 2) : x; }, 0, 1, 4, 1, {{"alpha", 2.0f}}},
    {"Celu", [](double x) { return x < 0 ? std::expm1(x) : x; }, 0, 1, 4, 1},
    {"Softplus", softplus, 0, 0, 1, 2},
    {"Softsign", [](double x) { return x / (1 + std::abs(x)); }, 0, 0, 3, 0},
    {"Mish", [](double x) { return x * std::tanh(softplus(x)); }, 0, 0, 2, 3},
    {"Swish", [](double x) { return x / (1 + std::exp(-0.5 * x)); }, 0, 0, 2, 1, {{"alpha", 0.5f}}},
    {"Gelu", [](double x) { return x / 2 * (1 + std::erf(x * std::sqrt(0.5))); }, 3, 0, 4, 1},
    {"Gelu",
     [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x))); },
     3,
     0,
     6,
     2,
     {{"approximate", std::string("tanh")}}},
};

TEST_CASE("functions of one element: values, counts and costs in both layouts, every ISA") {
  for (const Isa isa : usable_isas())
    for (const Function& function : kFunctions)
      for (const Shape& shape : {Shape{}, Shape{4099}, Shape{2, 19, 5, 3}, Shape{0, 3}}) {
        CAPTURE(std::string(function.op));
        CAPTURE(to_string(shape));
        std::vector<double> x = random_values(element_count(shape), 3), expected, scale;
        const std::string op = function.op;
        const bool quarter = op == "Asin" || op == "Acos" || op == "Atanh";
        for (double& v : x) {
          v = 3 * v + function.offset;
          v = static_cast<float>(v);
          expected.push_back(function.f(v));
          scale.push_back(std::abs(expected.back()) + std::abs(v) * 0x1p-3);
          if (quarter) v /= 4;
        }
        run_every_candidate(one_node(op, {float_tensor(shape, x)}, function.attributes), isa, [&](const Ran& ran) {
          check_close(ran.outputs[0], expected, scale, function.ulps);
          const Cost& cost = ran.plan->estimate.layers[0].cost;
          const int64_t n = element_count(shape);
          CHECK(cost.comparisons == function.comparisons * n);
          CHECK(cost.elementwise == function.elementwise * n);
          CHECK(cost.special == function.special * n);
          CHECK(cost.coverage == Coverage::exact);
        });
      }
}

TEST_CASE("functions of one element keep every real type") {
  const std::vector<double> x = {0.25, 0.5, 0.75, 1};  // exact in all of them
  for (const Function& function : kFunctions)
    for (const DType type : {DType::f16, DType::bf16, DType::f64}) {
      const std::string op = function.op;
      if (op == "Acosh" || op == "Asin" || op == "Acos" || op == "Atanh") continue;
      CAPTURE(std::string(function.op));
      CAPTURE(name_of(type));
      const Ran ran = run_graph(one_node(op, {typed_tensor(type, {4}, x)}, function.attributes), best_isa());
      CHECK(ran.outputs[0].dtype() == type);
      const std::vector<double> y = ran.outputs[0].to_double();
      for (size_t i = 0; i < x.size(); ++i) {
        const double precision = type == DType::f64 ? 1e-7 : type == DType::f16 ? 0x1p-11 : 0x1p-8;
        CHECK(y[i] == doctest::Approx(function.f(x[i])).epsilon(precision));
      }
    }
}

TEST_CASE("functions of integers and booleans") {
  const Tensor i8 = typed_tensor(DType::i8, {4}, {-128, -3, 0, 5});
  CHECK(result_of("Abs", {i8}) == std::vector<double>{-128, 3, 0, 5});  // the lowest has no positive
  CHECK(result_of("Neg", {i8}) == std::vector<double>{-128, 3, 0, -5});
  CHECK(result_of("Sign", {i8}) == std::vector<double>{-1, -1, 0, 1});
  CHECK(result_of("BitwiseNot", {i8}) == std::vector<double>{127, 2, -1, -6});
  const Tensor u64 = typed_tensor(DType::u64, {2}, {-1, 7});
  CHECK(result_of("Sign", {u64}) == std::vector<double>{1, 1});
  CHECK(result_of("Abs", {u64}) == std::vector<double>{0x1p64, 7});
  CHECK(result_of("Erf", {i8}) == std::vector<double>{-1, 0, 0, 0});
  CHECK(result_of("Not", {typed_tensor(DType::boolean, {2}, {0, 1})}) == std::vector<double>{1, 0});
  CHECK(result_of("Shrink", {i8}, {{"lambd", 3.5f}, {"bias", 1.0f}}) == std::vector<double>{-127, 0, 0, 4});
}

TEST_CASE("NaN and infinities") {
  const Tensor x = float_tensor({4}, {kNan, kInf, -kInf, 1});
  CHECK(result_of("IsNaN", {x}) == std::vector<double>{1, 0, 0, 0});
  CHECK(result_of("IsInf", {x}) == std::vector<double>{0, 1, 1, 0});
  CHECK(result_of("IsInf", {x}, {{"detect_negative", int64_t{0}}}) == std::vector<double>{0, 1, 0, 0});
  CHECK(result_of("IsInf", {x}, {{"detect_positive", int64_t{0}}}) == std::vector<double>{0, 0, 1, 0});
  for (const char* op : {"Sign", "ThresholdedRelu", "Shrink", "LeakyRelu", "HardSigmoid", "Elu", "Mish", "Gelu"}) {
    CAPTURE(std::string(op));
    CHECK(std::isnan(result_of(op, {x})[0]));
  }
  for (const Isa isa : usable_isas())
    for (const char* op : {"Max", "Min"}) {
      const std::vector<double> y = result_of(op, {x, float_tensor({4}, {1, kNan, 2, kNan})}, {}, 24, isa);
      CHECK((std::isnan(y[0]) && std::isnan(y[1]) && !std::isnan(y[2]) && std::isnan(y[3])));
    }
  CHECK(result_of("Equal", {x, x}) == std::vector<double>{0, 1, 1, 1});
  CHECK(result_of("LessOrEqual", {x, x}) == std::vector<double>{0, 1, 1, 1});
}

struct Pair {
  const char* op;
  std::function<double(double, double)> f;
  int comparisons, elementwise, special;
  std::map<std::string, Attribute> attributes = {};
};

const Pair kPairs[] = {
    {"Pow", [](double a, double b) { return std::pow(a, b); }, 0, 0, 1},
    {"Mod", [](double a, double b) { return std::fmod(a, b); }, 0, 1, 0, {{"fmod", int64_t{1}}}},
    {"Equal", [](double a, double b) { return a == b; }, 1, 0, 0},
    {"Less", [](double a, double b) { return a < b; }, 1, 0, 0},
    {"LessOrEqual", [](double a, double b) { return a <= b; }, 1, 0, 0},
    {"Greater", [](double a, double b) { return a > b; }, 1, 0, 0},
    {"GreaterOrEqual", [](double a, double b) { return a >= b; }, 1, 0, 0},
    {"Max", [](double a, double b) { return std::max(a, b); }, 1, 0, 0},
    {"Min", [](double a, double b) { return std::min(a, b); }, 1, 0, 0},
    {"Mean", [](double a, double b) { return (a + b) / 2; }, 0, 2, 0},
};

size_t source_of(int64_t i, const Shape& result, const Shape& operand) {
  const Shape strides = row_major_strides(result), own = row_major_strides(operand);
  int64_t at = 0;
  for (size_t d = 0; d < operand.size(); ++d) {
    const size_t r = d + result.size() - operand.size();
    if (operand[d] != 1) at += i / strides[r] % result[r] * own[d];
  }
  return static_cast<size_t>(at);
}

void check_pair(const Pair& pair, const Shape& a, const Shape& b, Isa isa) {
  CAPTURE(std::string(pair.op));
  CAPTURE(to_string(a));
  CAPTURE(to_string(b));
  std::vector<double> x = random_values(element_count(a), 5), y = random_values(element_count(b), 6);
  for (double& v : x) v = std::abs(v) + 0.5;
  for (double& v : y) v = v < 0 ? -1 : 1.5;
  const Shape shape = *broadcast(a, b);
  std::vector<double> expected, scale;
  for (int64_t i = 0; i < element_count(shape); ++i) {
    expected.push_back(pair.f(x[source_of(i, shape, a)], y[source_of(i, shape, b)]));
    scale.push_back(std::abs(expected.back()) + 1);
  }
  for (const bool constant : {false, true}) {
    GraphMaker g;
    g.input("a", float_tensor(a, x));
    constant ? g.constant("b", float_tensor(b, y)) : g.input("b", float_tensor(b, y));
    g.node(pair.op, {"a", "b"}, "y", pair.attributes, 24).output("y");
    run_every_candidate(g, isa, [&](const Ran& ran) {
      check_close(ran.outputs[0], expected, scale, 2);
      const Cost& cost = ran.plan->estimate.layers[0].cost;
      CHECK(cost.comparisons == pair.comparisons * element_count(shape));
      CHECK(cost.elementwise == pair.elementwise * element_count(shape));
      CHECK(cost.special == pair.special * element_count(shape));
    });
  }
}

TEST_CASE("functions of two elements: broadcasting, both layouts, every ISA") {
  const std::pair<Shape, Shape> shapes[] = {{{}, {}},
                                            {{2, 19, 5, 3}, {2, 19, 5, 3}},
                                            {{2, 19, 5, 3}, {19, 1, 1}},
                                            {{2, 19, 5, 3}, {}},
                                            {{2, 19, 5, 3}, {2, 1, 5, 3}},
                                            {{3, 1, 5}, {4, 1}},
                                            {{2, 1, 3, 1, 2, 1}, {1, 4, 1, 5, 1, 6}},
                                            {{2, 0, 3}, {1, 1, 3}}};
  for (const Isa isa : usable_isas())
    for (const Pair& pair : kPairs)
      for (const auto& [a, b] : shapes) check_pair(pair, a, b, isa);
}

TEST_CASE("Pow by constants runs on kernels; bases keep their type") {
  const std::vector<double> x = {0.25, 1, 2.25, 4};
  const std::pair<float, std::vector<double>> powers[] = {
      {2.0f, {0.0625, 1, 5.0625, 16}}, {3.0f, {0.015625, 1, 11.390625, 64}}, {0.5f, {0.5, 1, 1.5, 2}},
      {-1.0f, {4, 1, 1 / 2.25, 0.25}}, {-0.5f, {2, 1, 1 / 1.5, 0.5}},        {1.0f, x},
      {1.5f, {0.125, 1, 3.375, 8}}};
  for (const Isa isa : usable_isas())
    for (const auto& [power, expected] : powers) {
      GraphMaker g;
      g.input("x", float_tensor({4}, x)).constant("p", Tensor::scalar(power)).node("Pow", {"x", "p"}, "y").output("y");
      const Ran ran = run_graph(g, isa);
      check_close(ran.outputs[0], expected, expected, 2);
      CHECK(ran.plan->rows[0].kernel == (power == 1.5f ? "host" : "map"));
      CHECK(ran.plan->estimate.layers[0].cost.special == 4);
      CHECK(ran.plan->estimate.totals.params == 0);
    }
  const Tensor i32 = typed_tensor(DType::i32, {4}, {1, 2, -3, 0});
  CHECK(result_of("Pow", {i32, float_tensor({}, {2.5})}) == std::vector<double>{1, 5, 0, 0});
  CHECK(result_of("Pow", {i32, typed_tensor(DType::i64, {}, {3})}) == std::vector<double>{1, 8, -27, 0});
  CHECK(result_of("Pow", {i32, typed_tensor(DType::i32, {}, {-1})}) == std::vector<double>{1, 0, 0, 0});
  CHECK(result_of("Pow", {float_tensor({2}, {2, 3}), typed_tensor(DType::u8, {}, {3})}) == std::vector<double>{8, 27});
}

TEST_CASE("integer pairs wrap, and nothing divides by zero") {
  const auto i64 = [](std::vector<double> v) { return typed_tensor(DType::i64, {static_cast<int64_t>(v.size())}, v); };
  const Tensor a = i64({7, -7, 7, -7, 5, -9223372036854775808.0}), b = i64({3, 3, -3, -3, 0, -1});
  CHECK(result_of("Mod", {a, b}) == std::vector<double>{1, 2, -2, -1, 0, 0});
  CHECK(result_of("Mod", {a, b}, {{"fmod", int64_t{1}}}) == std::vector<double>{1, -1, 1, -1, 0, 0});
  const auto u8 = [](std::vector<double> v) { return typed_tensor(DType::u8, {static_cast<int64_t>(v.size())}, v); };
  const Tensor u = u8({1, 255, 128, 3}), s = u8({7, 1, 8, 200});
  CHECK(result_of("BitShift", {u, s}, {{"direction", std::string("LEFT")}}) == std::vector<double>{128, 254, 0, 0});
  CHECK(result_of("BitShift", {u, s}, {{"direction", std::string("RIGHT")}}) == std::vector<double>{0, 127, 0, 0});
  CHECK(result_of("BitwiseAnd", {u, s}) == std::vector<double>{1, 1, 0, 0});
  CHECK(result_of("BitwiseOr", {u, s}) == std::vector<double>{7, 255, 136, 203});
  CHECK(result_of("BitwiseXor", {u, s}) == std::vector<double>{6, 254, 136, 203});
  CHECK(result_of("Max", {i64({-1, 5}), i64({3, 2}), i64({0, 9})}) == std::vector<double>{3, 9});
  CHECK(result_of("Min", {typed_tensor(DType::u64, {2}, {-1, 5}), typed_tensor(DType::u64, {2}, {3, 6})}) ==
        std::vector<double>{3, 5});
  CHECK(result_of("PRelu", {i64({-2, 2}), i64({3})}) == std::vector<double>{-6, 2});
  CHECK(result_of("Less", {typed_tensor(DType::i8, {2}, {-1, 1}), typed_tensor(DType::i8, {2}, {1, -1})}) ==
        std::vector<double>{1, 0});
  CHECK(result_of("Less", {typed_tensor(DType::u64, {1}, {-1}), typed_tensor(DType::u64, {1}, {1})})[0] == 0);
}

TEST_CASE("logic, and a comparison whose result is as many bytes as its smaller operand") {
  const auto booleans = [](std::vector<double> v) {
    return typed_tensor(DType::boolean, {static_cast<int64_t>(v.size())}, v);
  };
  const Tensor a = booleans({0, 0, 1, 1}), b = booleans({0, 1, 0, 1});
  CHECK(result_of("And", {a, b}) == std::vector<double>{0, 0, 0, 1});
  CHECK(result_of("Or", {a, b}) == std::vector<double>{0, 1, 1, 1});
  CHECK(result_of("Xor", {a, b}) == std::vector<double>{0, 1, 1, 0});
  CHECK(result_of("Equal", {a, b}) == std::vector<double>{1, 0, 0, 1});
  GraphMaker g;
  g.input("a", typed_tensor(DType::i64, {1}, {3})).input("b", typed_tensor(DType::i64, {8}, {1, 2, 3, 4, 3, 6, 7, 3}));
  g.node("Abs", {"a"}, "p").node("Abs", {"b"}, "q").node("Equal", {"p", "q"}, "y").output("y");
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{0, 0, 1, 0, 1, 0, 0, 1});
}

TEST_CASE("PRelu: slopes broadcast to X; before opset 7 one a channel") {
  const Shape shape = {2, 19, 2, 3};
  const std::vector<double> x = random_values(element_count(shape), 1), slope = random_values(19, 2);
  std::vector<double> expected, scale;
  for (size_t i = 0; i < x.size(); ++i) {
    expected.push_back(x[i] < 0 ? x[i] * slope[i / 6 % 19] : x[i]);
    scale.push_back(1);
  }
  for (const Isa isa : usable_isas())
    for (const int opset : {6, 24}) {
      GraphMaker g;
      g.input("x", float_tensor(shape, x));
      g.constant("s", float_tensor(opset == 6 ? Shape{19} : Shape{19, 1, 1}, slope));
      g.node("PRelu", {"x", "s"}, "y", {}, opset).output("y");
      run_every_candidate(g, isa, [&](const Ran& ran) {
        check_close(ran.outputs[0], expected, scale, 1);
        CHECK(ran.plan->rows.back().kernel != "host");
        CHECK(ran.plan->estimate.layers[0].cost.comparisons == static_cast<int64_t>(x.size()));
        CHECK(ran.plan->estimate.layers[0].cost.elementwise == static_cast<int64_t>(x.size()));
        CHECK(ran.plan->estimate.totals.params == 19);
      });
    }
}

TEST_CASE("Max, Min and Mean of one to four operands") {
  const std::vector<Tensor> operands = {float_tensor({2, 2}, {1, -2, 3, 4}), float_tensor({2}, {0, 5}),
                                        float_tensor({}, {2}), float_tensor({2, 1}, {-1, 7})};
  for (const Isa isa : usable_isas())
    for (size_t n = 1; n <= 4; ++n) {
      const std::vector<Tensor> some(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(n));
      const Ran max = run_graph(one_node("Max", some), isa), mean = run_graph(one_node("Mean", some), isa);
      const std::vector<double> maxima[] = {{1, -2, 3, 4}, {1, 5, 3, 5}, {2, 5, 3, 5}, {2, 5, 7, 7}};
      CHECK(max.outputs[0].to_double() == maxima[n - 1]);
      CHECK(max.plan->estimate.layers[0].cost.comparisons == 4 * static_cast<int64_t>(n - 1));
      CHECK(mean.plan->estimate.layers[0].cost.elementwise == 4 * static_cast<int64_t>(n));
      if (n == 4) CHECK(mean.outputs[0].to_double() == std::vector<double>{0.5, 1, 3, 4.5});
    }
  const std::vector<Tensor> halves = {typed_tensor(DType::f16, {2}, {1, 2}), typed_tensor(DType::f16, {2}, {2, 5})};
  CHECK(result_of("Mean", halves) == std::vector<double>{1.5, 3.5});
}

TEST_CASE("Where selects elements of any type") {
  const Tensor condition = typed_tensor(DType::boolean, {2, 1}, {1, 0});
  for (const DType type : {DType::f32, DType::f16, DType::f64, DType::i8, DType::i64, DType::boolean}) {
    const GraphMaker g = one_node(
        "Where", {condition, typed_tensor(type, {3}, {1, 0, 1}), typed_tensor(type, {2, 3}, {0, 0, 0, 0, 1, 0})});
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.outputs[0].dtype() == type);
    CHECK(ran.outputs[0].to_double() == std::vector<double>{1, 0, 1, 0, 1, 0});
    CHECK(ran.plan->estimate.layers[0].cost.elementwise == 0);
    CHECK(ran.plan->estimate.layers[0].cost.coverage == Coverage::exact);
  }
  CHECK(result_of("Where", {typed_tensor(DType::boolean, {}, {0}), Tensor::scalar(1), Tensor::scalar(2)})[0] == 2);
}

TEST_CASE("pointwise operators: bad operands name node, found and required") {
  const Tensor x = float_tensor({2}, {1, 2}), i = typed_tensor(DType::i32, {2}, {1, 2});
  CHECK(error_text(one_node("Sqrt", {i})) ==
        "Sqrt 'y': input 0 of type int32 must be float16, bfloat16, float32, float64");
  CHECK(error_text(one_node("Not", {x})) == "Not 'y': input 0 of type float32 must be bool");
  CHECK(error_text(one_node("Less", {x, i})) == "Less 'y': input 1 of type int32 must be float32 like input 0");
  CHECK(error_text(one_node("Less", {x, float_tensor({3}, {1, 2, 3})})) ==
        "Less 'y': input 1 of shape 3 must broadcast with 2");
  CHECK(error_text(one_node("PRelu", {x, float_tensor({2, 2}, {1, 2, 3, 4})})) ==
        "PRelu 'y': input 1 of shape 2x2 must broadcast to 2");
  CHECK(error_text(one_node("BitShift", {typed_tensor(DType::u8, {1}, {1}), typed_tensor(DType::u8, {1}, {1})})) ==
        "BitShift 'y': direction='' must be LEFT or RIGHT");
  CHECK(error_text(one_node("Gelu", {x}, {{"approximate", std::string("erf")}})) ==
        "Gelu 'y': approximate='erf' must be none or tanh");
  CHECK(error_text(one_node("Celu", {x}, {{"alpha", 0.0f}})) == "Celu 'y': alpha=0 must not be 0");
  CHECK(error_text(one_node("Where", {x, x, x})) == "Where 'y': condition of type float32 must be bool");
  CHECK(error_text(one_node("Where", {typed_tensor(DType::boolean, {1}, {1}), x, i})) ==
        "Where 'y': Y of type int32 must be float32 like X");
}

TEST_CASE("pointwise operators in time") {
  CHECK(stream_of("Erf", {{2, 7, 3}}, {1}).time_axes == std::vector<int>{1});
  CHECK(stream_of("Max", {{7, 3}, {2, 7, 3}}, {0, 1}).time_axes == std::vector<int>{1});
  CHECK(!stream_of("Max", {{7, 3}, {2, 7, 3}}, {0, 2}).obstacle.empty());
  CHECK(stream_of("Pow", {{2, 7, 3}, {3}}, {1}).obstacle.empty());
  const StreamStep table = stream_of("Less", {{2, 7, 3}}, {1}, {}, {Tensor(DType::f32, {7, 1})});
  CHECK(table.tables == std::vector<std::pair<int, int>>{{1, 0}});
}

}  // namespace
