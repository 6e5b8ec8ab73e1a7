#include <limits>

#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;

constexpr double kInf = std::numeric_limits<double>::infinity();

double reduce_set(const std::string& op, const std::vector<double>& set) {
  double sum = 0, squares = 0, magnitudes = 0, exponentials = 0, product = 1, largest = -kInf, least = kInf;
  for (double v : set) {
    sum += v;
    squares += v * v;
    magnitudes += std::abs(v);
    exponentials += std::exp(v);
    product *= v;
    largest = std::max(largest, v);
    least = std::min(least, v);
  }
  if (op == "ReduceSum") return sum;
  if (op == "ReduceMean") return sum / static_cast<double>(set.size());
  if (op == "ReduceMax") return largest;
  if (op == "ReduceMin") return least;
  if (op == "ReduceProd") return product;
  if (op == "ReduceL1") return magnitudes;
  if (op == "ReduceL2") return std::sqrt(squares);
  if (op == "ReduceLogSum") return std::log(sum);
  if (op == "ReduceLogSumExp") return std::log(exponentials);
  return squares;
}

/// Elements by set, sets in the order of the result.
std::vector<std::vector<double>> sets_of(const Shape& shape, const std::vector<double>& x,
                                         const std::vector<bool>& reduced) {
  Shape kept;
  for (size_t d = 0; d < shape.size(); ++d) kept.push_back(reduced[d] ? 1 : shape[d]);
  const Shape strides = row_major_strides(shape), own = row_major_strides(kept);
  std::vector<std::vector<double>> sets(static_cast<size_t>(element_count(kept)));
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < shape.size(); ++d)
      if (!reduced[d]) at += static_cast<int64_t>(i) / strides[d] % shape[d] * own[d];
    sets[static_cast<size_t>(at)].push_back(x[i]);
  }
  return sets;
}

constexpr const char* kReductions[] = {"ReduceSum", "ReduceMean", "ReduceMax",    "ReduceMin",       "ReduceProd",
                                       "ReduceL1",  "ReduceL2",   "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"};

void check_reduction(const std::string& op, const Shape& shape, const std::vector<int64_t>& axes, bool keep, int opset,
                     Isa isa) {
  CAPTURE(std::string(op));
  CAPTURE(to_string(shape));
  CAPTURE(axes.size());
  std::vector<double> x = random_values(element_count(shape), 3);
  for (double& v : x) v = std::abs(v) + 0.5;
  std::vector<bool> reduced(shape.size(), axes.empty());
  for (int64_t axis : axes)
    reduced[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis)] = true;
  std::vector<double> expected, scale;
  size_t n = 1;
  for (const std::vector<double>& set : sets_of(shape, x, reduced)) {
    expected.push_back(reduce_set(op, set));
    scale.push_back(std::abs(expected.back()) + 1);
    n = set.size();
  }
  std::map<std::string, Attribute> attributes = {{"keepdims", int64_t{keep}}};
  const bool operand = opset >= 18 || (op == "ReduceSum" && opset >= 13);
  if (!operand && !axes.empty()) attributes["axes"] = axes;
  GraphMaker g;
  g.input("x", float_tensor(shape, x));
  if (operand) g.constant("axes", Tensor::of_int64(axes));
  g.node(op, operand ? std::vector<std::string>{"x", "axes"} : std::vector<std::string>{"x"}, "y", attributes, opset);
  run_every_candidate(g.output("y"), isa, [&](const Ran& ran) {
    check_close(ran.outputs[0], expected, scale, 2 + static_cast<double>(n) / 2);
    Shape y;
    for (size_t d = 0; d < shape.size(); ++d)
      if (!reduced[d] || keep) y.push_back(reduced[d] ? 1 : shape[d]);
    CHECK(ran.outputs[0].shape() == y);
    const Cost& cost = ran.plan->estimate.layers[0].cost;
    const auto outputs = static_cast<int64_t>(expected.size()), count = static_cast<int64_t>(n);
    const bool extreme = op == "ReduceMax" || op == "ReduceMin";
    CHECK(cost.elementwise == outputs * count);
    CHECK(cost.comparisons == (extreme ? outputs * (count - 1) : 0));
    CHECK(cost.special == (op == "ReduceLogSumExp"                    ? outputs * (count + 1)
                           : op == "ReduceL2" || op == "ReduceLogSum" ? outputs
                                                                      : 0));
  });
}

TEST_CASE("reductions: any axes, as attribute and as operand, every ISA") {
  for (const Isa isa : usable_isas())
    for (const char* op : kReductions) {
      check_reduction(op, {3, 37}, {-1}, true, 24, isa);
      check_reduction(op, {3, 37}, {0}, false, 13, isa);
      check_reduction(op, {2, 5, 3, 7}, {2, 3}, true, 11, isa);
      check_reduction(op, {2, 5, 3, 7}, {1}, false, 24, isa);
      check_reduction(op, {2, 5, 3, 7}, {0, -2}, false, 18, isa);  // axes apart
      check_reduction(op, {4, 1, 6}, {1}, true, 18, isa);          // sets of one element
      check_reduction(op, {2, 3, 4}, {}, true, 18, isa);           // all
      check_reduction(op, {}, {}, true, 18, isa);
    }
}

TEST_CASE("reductions over nothing") {
  const std::pair<const char*, double> kEmpty[] = {
      {"ReduceSum", 0}, {"ReduceProd", 1},       {"ReduceMax", -kInf},       {"ReduceMin", kInf},   {"ReduceL1", 0},
      {"ReduceL2", 0},  {"ReduceLogSum", -kInf}, {"ReduceLogSumExp", -kInf}, {"ReduceSumSquare", 0}};
  const Tensor axes = Tensor::of_int64({1});
  for (const auto& [name, value] : kEmpty) {
    const std::string op = name;  // clang 14 captures no structured binding
    CAPTURE(op);
    CHECK(result_of(op, {Tensor(DType::f32, {2, 0, 2}), axes}) == std::vector<double>(4, value));
    CHECK(result_of(op, {Tensor(DType::f32, {0, 3, 2}), axes}).empty());
  }
  CHECK(std::isnan(result_of("ReduceMean", {Tensor(DType::f32, {1, 0}), axes})[0]));
  CHECK(result_of("ReduceMax", {Tensor(DType::i8, {1, 0}), axes})[0] == -128);
  CHECK(result_of("ReduceMean", {Tensor(DType::i32, {1, 0}), axes})[0] == 0);
}

TEST_CASE("noop_with_empty_axes reduces sets of one element") {
  const Tensor x = float_tensor({2, 2}, {1, -2, 3, 4}), none = Tensor::of_int64({});
  CHECK(result_of("ReduceSum", {x, none}, {{"noop_with_empty_axes", int64_t{1}}}) == std::vector<double>{1, -2, 3, 4});
  CHECK(result_of("ReduceL1", {x}, {{"noop_with_empty_axes", int64_t{1}}}) == std::vector<double>{1, 2, 3, 4});
  CHECK(result_of("ReduceSum", {x, none}, {{"keepdims", int64_t{0}}}) == std::vector<double>{6});
}

TEST_CASE("reductions of other types") {
  const Tensor axes = Tensor::of_int64({0});
  const Tensor i8 = typed_tensor(DType::i8, {4}, {-3, 5, 100, 100});
  CHECK(result_of("ReduceSum", {i8, axes})[0] == -54);  // 202 wraps
  CHECK(result_of("ReduceMax", {i8, axes})[0] == 100);
  CHECK(result_of("ReduceMin", {i8, axes})[0] == -3);
  CHECK(result_of("ReduceMean", {typed_tensor(DType::i32, {3}, {-3, -3, 1}), axes})[0] == -1);
  CHECK(result_of("ReduceL1", {typed_tensor(DType::i32, {3}, {-3, -3, 1}), axes})[0] == 7);
  CHECK(result_of("ReduceL2", {typed_tensor(DType::i64, {2}, {3, 4}), axes})[0] == 5);
  CHECK(result_of("ReduceMax", {typed_tensor(DType::u64, {2}, {-1, 4}), axes})[0] == 0x1p64);
  CHECK(result_of("ReduceMax", {typed_tensor(DType::boolean, {2}, {0, 1}), axes})[0] == 1);
  CHECK(result_of("ReduceMin", {typed_tensor(DType::boolean, {2}, {0, 1}), axes})[0] == 0);
  for (const DType type : {DType::f16, DType::bf16, DType::f64})
    for (const char* op : kReductions) {
      const Tensor x = typed_tensor(type, {3}, {0.5, 1, 1.5});
      CHECK(result_of(op, {x, axes})[0] == doctest::Approx(reduce_set(op, {0.5, 1, 1.5})).epsilon(0x1p-8));
    }
}

TEST_CASE("reductions of infinities and huge values") {
  const Tensor axes = Tensor::of_int64({0});
  CHECK(result_of("ReduceLogSumExp", {float_tensor({3}, {1000, 1000, -kInf}), axes})[0] ==
        doctest::Approx(1000 + std::log(2.0)));
  CHECK(result_of("ReduceLogSumExp", {float_tensor({2}, {kInf, 1}), axes})[0] == kInf);
  CHECK(std::isnan(result_of("ReduceLogSumExp", {float_tensor({3}, {1, NAN, 2}), axes})[0]));
  CHECK(std::isnan(result_of("ReduceMax", {float_tensor({3}, {1, NAN, 2}), axes})[0]));
}

TEST_CASE("reductions over all pixels run in both layouts, every ISA") {
  const std::vector<double> x = random_values(2 * 32 * 5 * 7, 4);
  for (const char* op : {"ReduceMean", "ReduceMax", "ReduceL2"})
    for (const bool keep : {true, false}) {
      GraphMaker g;
      g.input("x", float_tensor({2, 32, 5, 7}, x));
      g.node(op, {"x"}, "y", {{"axes", std::vector<int64_t>{-1, 2}}, {"keepdims", int64_t{keep}}}, 13).output("y");
      for (const Isa isa : usable_isas()) {
        const Ran plain = run_graph(g, isa);
        size_t ways = 0;
        run_every_candidate(g, isa, [&](const Ran& ran) {
          ++ways;
          CHECK(ran.outputs[0].shape() == plain.outputs[0].shape());
          const std::vector<double> y = ran.outputs[0].to_double(), wanted = plain.outputs[0].to_double();
          for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(wanted[i]).epsilon(1e-5));
        });
        CHECK(ways == 2);
      }
    }
}

TEST_CASE("ArgMax and ArgMin") {
  const Tensor x = float_tensor({2, 3}, {1, 5, 5, -2, 0, -2});
  CHECK(result_of("ArgMax", {x}, {{"axis", int64_t{1}}}) == std::vector<double>{1, 1});
  CHECK(result_of("ArgMax", {x}, {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}}) ==
        std::vector<double>{2, 1});
  CHECK(result_of("ArgMin", {x}, {{"axis", int64_t{-1}}}) == std::vector<double>{0, 0});
  CHECK(result_of("ArgMin", {x}, {{"keepdims", int64_t{0}}}) == std::vector<double>{1, 1, 1});
  const Ran ran = run_graph(one_node("ArgMax", {x}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}), best_isa());
  CHECK(ran.outputs[0].shape() == Shape{2});
  CHECK(ran.outputs[0].dtype() == DType::i64);
  CHECK(ran.plan->estimate.layers[0].cost.comparisons == 4);
  CHECK(ran.plan->estimate.layers[0].cost.elementwise == 0);
  CHECK(error_text(one_node("ArgMax", {Tensor(DType::f32, {2, 0})}, {{"axis", int64_t{1}}})) ==
        "ArgMax 'y': input of shape 2x0 must not be empty along the axis");
}

TEST_CASE("ArgMax, ArgMin and CumSum along an axis before many others") {
  constexpr int64_t kOuter = 2, kWidth = 5, kInner = 131;
  std::vector<double> x = random_values(kOuter * kWidth * kInner, 3);
  for (double& v : x) v = std::round(4 * v);  // with ties
  const Tensor t = float_tensor({kOuter, kWidth, kInner}, x);
  for (const bool largest : {true, false})
    for (const bool last : {true, false}) {
      std::vector<double> expected;
      for (int64_t o = 0; o < kOuter; ++o)
        for (int64_t i = 0; i < kInner; ++i) {
          const auto at = [&](int64_t j) { return x[static_cast<size_t>((o * kWidth + j) * kInner + i)]; };
          int64_t best = 0;
          for (int64_t j = 1; j < kWidth; ++j)
            if ((largest ? at(j) > at(best) : at(j) < at(best)) || (last && at(j) == at(best))) best = j;
          expected.push_back(static_cast<double>(best));
        }
      CHECK(result_of(largest ? "ArgMax" : "ArgMin", {t},
                      {{"axis", int64_t{1}}, {"select_last_index", int64_t{last}}}) == expected);
    }
  for (const bool exclusive : {true, false})
    for (const bool reverse : {true, false}) {
      std::vector<double> expected(x.size());
      for (int64_t o = 0; o < kOuter; ++o)
        for (int64_t i = 0; i < kInner; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < kWidth; ++j) {
            const auto at = static_cast<size_t>((o * kWidth + (reverse ? kWidth - 1 - j : j)) * kInner + i);
            expected[at] = exclusive ? sum : sum + x[at];
            sum += x[at];
          }
        }
      CHECK(result_of("CumSum", {t, typed_tensor(DType::i64, {}, {1})},
                      {{"exclusive", int64_t{exclusive}}, {"reverse", int64_t{reverse}}}) == expected);
    }
}

TEST_CASE("CumSum: inclusive, exclusive, from the end") {
  const Tensor x = float_tensor({2, 3}, {1, 2, 3, 4, 5, 6}), axis = typed_tensor(DType::i32, {}, {1});
  const auto sums = [&](int64_t exclusive, int64_t reverse) {
    return result_of("CumSum", {x, axis}, {{"exclusive", exclusive}, {"reverse", reverse}});
  };
  CHECK(sums(0, 0) == std::vector<double>{1, 3, 6, 4, 9, 15});
  CHECK(sums(1, 0) == std::vector<double>{0, 1, 3, 0, 4, 9});
  CHECK(sums(0, 1) == std::vector<double>{6, 5, 3, 15, 11, 6});
  CHECK(sums(1, 1) == std::vector<double>{5, 3, 0, 11, 6, 0});
  CHECK(run_graph(one_node("CumSum", {x, axis}), best_isa()).plan->estimate.layers[0].cost.elementwise == 4);
  CHECK(result_of("CumSum", {typed_tensor(DType::i8, {3}, {100, 100, 1}), typed_tensor(DType::i64, {1}, {0})}) ==
        std::vector<double>{100, -56, -55});
}

TEST_CASE("reductions in time") {
  const std::vector<Tensor> axis2 = {Tensor::of_int64({2})};
  CHECK(stream_of("ReduceMean", {{2, 7, 3}}, {1}, {}, axis2).time_axes == std::vector<int>{1});
  CHECK(stream_of("ReduceMean", {{2, 7, 3}}, {1}, {{"keepdims", int64_t{0}}}, {Tensor::of_int64({0})}).time_axes ==
        std::vector<int>{0});
  CHECK(!stream_of("ReduceMean", {{2, 7, 3}}, {2}, {}, axis2).obstacle.empty());
  CHECK(stream_of("ArgMax", {{2, 7, 3}}, {1}, {{"axis", int64_t{0}}, {"keepdims", int64_t{0}}}).time_axes ==
        std::vector<int>{0});
  CHECK(!stream_of("CumSum", {{2, 7, 3}}, {2}, {}, {Tensor::of_int64({2})}).obstacle.empty());
}

TEST_CASE("reductions: bad operands name node, found and required") {
  const Tensor x = float_tensor({2}, {1, 2});
  CHECK(error_text(one_node("ReduceSum", {x, Tensor::of_int64({3})})) == "ReduceSum 'y': axis=3 must be in [-1, 1)");
  CHECK(error_text(one_node("ReduceSum", {typed_tensor(DType::boolean, {1}, {1})})) ==
        "ReduceSum 'y': input of type bool must be a number");
  CHECK(error_text(one_node("CumSum", {x, Tensor::of_int64({0, 0})})) ==
        "CumSum 'y': axis of shape 2 must have one element");
}

}  // namespace
