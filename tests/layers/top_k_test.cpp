// TopK against a sort, by selection and by merging, along every axis.
#include <algorithm>
#include <numeric>

#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

void check_top_k(const Shape& shape, int64_t axis, int64_t k, bool largest, DType type, Isa isa) {
  CAPTURE(to_string(shape));
  CAPTURE(k);
  std::vector<double> values = random_values(element_count(shape), 3);
  for (double& v : values) v = std::floor(v * 40);  // many equal ones
  Tensor x(type, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) x.mutable_values<float>()[i] = static_cast<float>(values[i]);
    if (type == DType::i8) x.mutable_values<int8_t>()[i] = static_cast<int8_t>(values[i]);
    if (type == DType::i64) x.mutable_values<int64_t>()[i] = static_cast<int64_t>(values[i]);
    if (type == DType::f16) x.mutable_values<Half>()[i] = to_half(static_cast<float>(values[i]));
  }
  GraphMaker g;
  g.input("x", x).constant("k", Tensor::of_int64({k}));
  g.node("TopK", {"x", "k"}, "v", {{"axis", axis}, {"largest", int64_t{largest}}});
  g.graph.nodes[0].outputs = {"v", "i"};
  g.output("v").output("i");
  const Ran ran = run_graph(g, isa);
  const auto d = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis);
  Shape expected = shape;
  expected[d] = k;
  REQUIRE(ran.outputs[0].shape() == expected);
  const int64_t n = shape[d], inner = row_major_strides(shape)[d], outer = element_count(shape) / n / inner;
  const Ints found = whole(ran.outputs[0]), places = whole(ran.outputs[1]);
  bool same = true;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      Ints order(static_cast<size_t>(n));
      std::iota(order.begin(), order.end(), int64_t{0});
      const auto value = [&](int64_t j) { return values[static_cast<size_t>((o * n + j) * inner + i)]; };
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t a, int64_t b) { return largest ? value(a) > value(b) : value(a) < value(b); });
      for (int64_t j = 0; j < k; ++j) {
        const auto at = static_cast<size_t>((o * k + j) * inner + i);
        same = same && places[at] == order[static_cast<size_t>(j)] &&
               found[at] == static_cast<int64_t>(value(order[static_cast<size_t>(j)]));
      }
    }
  CHECK(same);
  CHECK(ran.plan->estimate.layers[0].cost.comparisons == outer * inner * (n * k - k * (k + 1) / 2));
}

TEST_CASE("TopK: axes, types, largest and smallest, few and all") {
  for (const bool largest : {true, false})
    for (const DType type : {DType::f32, DType::i8, DType::i64, DType::f16}) {
      for (int64_t axis : {0, 1, -1}) check_top_k({4, 5, 6}, axis, 3, largest, type, best_isa());
      check_top_k({100}, 0, 5, largest, type, best_isa());
      check_top_k({2, 100, 3}, 1, 100, largest, type, best_isa());
      check_top_k({1, 257}, 1, 90, largest, type, best_isa());
      check_top_k({3, 1}, 1, 1, largest, type, best_isa());
      check_top_k({3, 4}, 1, 0, largest, type, best_isa());
    }
}

TEST_CASE("TopK: NaN is the largest, one output may be unwanted, k must fit") {
  GraphMaker g;
  g.input("x", float_tensor({4}, {1, NAN, INFINITY, NAN})).constant("k", Tensor::of_int64({3}));
  g.node("TopK", {"x", "k"}, "v");
  g.graph.nodes[0].outputs = {"", "i"};
  CHECK(whole(run_graph(g.output("i"), best_isa()).outputs[0]) == Ints{1, 3, 2});
  GraphMaker bad;
  bad.input("x", Tensor(DType::f32, {4}))
      .constant("k", Tensor::of_int64({5}))
      .node("TopK", {"x", "k"}, "y")
      .output("y");
  CHECK(error_of(bad) == "TopK 'y': k=5 must be 0 to 4, the extent of axis -1");
}

}  // namespace
