#include <limits>

#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;

/// By expansion along the first row.
double expanded(const std::vector<double>& a, int64_t M) {
  if (M == 0) return 1;
  double sum = 0;
  for (int64_t j = 0; j < M; ++j) {
    std::vector<double> minor;
    for (int64_t i = 1; i < M; ++i)
      for (int64_t k = 0; k < M; ++k)
        if (k != j) minor.push_back(a[static_cast<size_t>(i * M + k)]);
    sum += (j % 2 == 0 ? 1 : -1) * a[static_cast<size_t>(j)] * expanded(minor, M - 1);
  }
  return sum;
}

TEST_CASE("Det: against expansion by minors") {
  for (const int64_t M : {1, 2, 3, 5, 7})
    for (const DType type : {DType::f32, DType::f64, DType::f16}) {
      CAPTURE(M);
      CAPTURE(name_of(type));
      const std::vector<double> x = random_values(2 * 3 * M * M, static_cast<uint32_t>(M));
      std::vector<double> expected, scale;
      for (auto at = x.begin(); at != x.end(); at += M * M) {
        expected.push_back(expanded({at, at + M * M}, M));
        scale.push_back(std::abs(expected.back()));
      }
      const Ran ran = run_graph(one_node("Det", {typed_tensor(type, {2, 3, M, M}, x)}), best_isa());
      CHECK(ran.outputs[0].shape() == Shape{2, 3});
      check_close(ran.outputs[0], expected, scale, type == DType::f16 ? 8193 : 2);
    }
}

TEST_CASE("Det: rows that must trade places, singular matrices, no rank of a batch") {
  CHECK(result_of("Det", {float_tensor({2, 2}, {0, 1, 1, 0})}) == std::vector<double>{-1});
  CHECK(result_of("Det", {float_tensor({3, 3}, {0, 0, 2, 3, 0, 0, 0, 4, 0})}) == std::vector<double>{24});
  CHECK(result_of("Det", {float_tensor({3, 3}, {1, 2, 3, 2, 4, 6, 7, 8, 9})}) == std::vector<double>{0});
  CHECK(result_of("Det", {float_tensor({2, 2}, {0, 0, 0, 5})}) == std::vector<double>{0});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(result_of("Det", {float_tensor({2, 2}, {nan, 1, 1, 1})})[0]));
  CHECK(result_of("Det", {Tensor(DType::f32, {3, 0, 0})}) == std::vector<double>{1, 1, 1});
}

/// A 3 × 3 matrix by hand: 2² + 1² = 5 products to subtract, 3 quotients, 2 products of the diagonal; 3 comparisons.
TEST_CASE("Det: the formula against an example worked by hand") {
  const Ran ran = run_graph(one_node("Det", {float_tensor({4, 3, 3}, random_values(36, 1))}), best_isa());
  const Cost& cost = ran.plan->estimate.layers[0].cost;
  CHECK(cost.elementwise == 4 * (2 * 5 + 3 + 2));
  CHECK(cost.comparisons == 4 * 3);
  CHECK(cost.coverage == Coverage::approximate);
}

TEST_CASE("Det: errors name node, found and required") {
  CHECK(error_text(one_node("Det", {Tensor(DType::f32, {2, 3})})) ==
        "Det 'y': X of shape 2x3 must end in two equal extents");
  CHECK(error_text(one_node("Det", {Tensor(DType::f32, {3})})) ==
        "Det 'y': X of shape 3 must end in two equal extents");
  CHECK(error_text(one_node("Det", {Tensor(DType::i32, {2, 2})})) ==
        "Det 'y': X of type int32 must be float16, bfloat16, float32 or float64");
  CHECK(stream_of("Det", {{5, 3, 3}}, {0}).obstacle == "");
  CHECK(stream_of("Det", {{5, 3, 3}}, {1}).obstacle == "combines elements of several time steps");
}

}  // namespace
