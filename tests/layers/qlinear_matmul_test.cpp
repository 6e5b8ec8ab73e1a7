// MatMulInteger and QLinearMatMul against numpy.matmul in double, which integers of 8 bits keep exact.
#include "tests/reference/matmul_reference.h"
#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;
using Values = std::vector<double>;

Values integers(const Shape& shape, uint32_t seed, DType type) {
  Values values = random_values(element_count(shape), seed);
  for (double& v : values) v = std::floor(v * 128) + (type == DType::u8 ? 128 : 0);
  return values;
}

Values repeated(const Values& some, size_t n, size_t each) {
  Values all;
  for (size_t i = 0; i < n; ++i) all.push_back(some[i / each % some.size()]);
  return all;
}

Values minus(Values a, const Values& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

/// Two matrices, and the parameters of their rows and columns.
struct ProductCase {
  Shape a, b, y;
  std::vector<int64_t> a_offset, b_offset;
  Shape a_parameters, b_parameters;
};

const ProductCase kCases[] = {
    {{3, 4}, {4, 5}, {3, 5}, {0}, {0}, {}, {}},
    {{3, 4}, {4, 5}, {3, 5}, {0}, {0}, {3}, {5}},
    {{7, 70}, {70, 131}, {7, 131}, {0}, {0}, {1}, {1, 131}},  // more columns than are summed at once
    {{4}, {4, 3}, {3}, {0}, {0}, {}, {3}},
    {{2, 4}, {4}, {2}, {0}, {0}, {2}, {}},
    {{2, 3, 4}, {2, 4, 5}, {2, 3, 5}, {0, 12}, {0, 20}, {2, 3, 1}, {2, 1, 5}},
    {{2, 3, 4}, {4, 5}, {2, 3, 5}, {0, 12}, {0, 0}, {2, 3, 1}, {5}},
    {{1, 3, 4}, {2, 4, 5}, {2, 3, 5}, {0, 0}, {0, 20}, {1, 3, 1}, {1, 1, 5}},
};

/// Everything of a case but scales, with exact sums.
struct Problem {
  int64_t M, N, K;
  Values a, b, a_zero, b_zero, sums;
};

Problem problem_of(const ProductCase& c, DType a_type, DType b_type) {
  Problem p;
  p.K = c.a.back();
  p.M = c.a.size() == 1 ? 1 : c.a[c.a.size() - 2];
  p.N = c.b.size() == 1 ? 1 : c.b.back();
  p.a = integers(c.a, 1, a_type);
  p.b = integers(c.b, 2, b_type);
  p.a_zero = integers(c.a_parameters, 3, a_type);
  p.b_zero = integers(c.b_parameters, 4, b_type);
  // Zero points of columns: by matrix, then along a row.
  Values b = p.b;
  const size_t matrix = static_cast<size_t>(p.K * p.N), N = static_cast<size_t>(p.N);
  for (size_t i = 0; i < b.size(); ++i) b[i] -= p.b_zero[(i / matrix * N + i % N) % p.b_zero.size()];
  p.sums = reference::matmul(minus(p.a, repeated(p.a_zero, p.a.size(), static_cast<size_t>(p.K))), b, p.M, p.N, p.K,
                             c.a_offset, c.b_offset)
               .y;
  return p;
}

constexpr std::pair<DType, DType> kTypes[] = {
    {DType::u8, DType::i8}, {DType::u8, DType::u8}, {DType::i8, DType::i8}, {DType::i8, DType::u8}};

TEST_CASE("MatMulInteger: every shape, type and zero point; what it counts") {
  for (const ProductCase& c : kCases)
    for (const auto& [a_type, b_type] : kTypes) {
      const Problem p = problem_of(c, a_type, b_type);
      GraphMaker made;
      made.input("a", typed_tensor(a_type, c.a, p.a)).constant("b", typed_tensor(b_type, c.b, p.b));
      made.input("az", typed_tensor(a_type, c.a_parameters, p.a_zero));
      made.constant("bz", typed_tensor(b_type, c.b_parameters, p.b_zero));
      made.node("MatMulInteger", {"a", "b", "az", "bz"}, "y").output("y");
      const Ran ran = run_graph(made, best_isa());
      CHECK(ran.outputs[0].shape() == c.y);
      CHECK(ran.outputs[0].to_double() == p.sums);
      const EstimateTotals& totals = ran.plan->estimate.totals;
      CHECK(totals.macs == static_cast<int64_t>(p.sums.size()) * p.K);
      CHECK(totals.params == element_count(c.b));
      CHECK(totals.bytes_compulsory == static_cast<int64_t>(p.a.size() + p.b.size() + 4 * p.sums.size()));
      CHECK(ran.executed().macs == totals.macs);
    }
  const Values a = {1, 2}, b = {3, 4};
  CHECK(result_of("MatMulInteger", {typed_tensor(DType::u8, {1, 2}, a), typed_tensor(DType::i8, {2, 1}, b)}) ==
        Values{11});
}

TEST_CASE("QLinearMatMul: scales of rows and columns, rounding and saturation") {
  for (const ProductCase& c : kCases)
    for (const auto& [a_type, b_type] : kTypes)
      for (DType scale_type : {DType::f32, DType::f16, DType::bf16}) {
        const Problem p = problem_of(c, a_type, b_type);
        const DType y_type = b_type == DType::i8 ? DType::u8 : DType::i8;
        const double y_zero = y_type == DType::u8 ? 128 : 2, lo = y_type == DType::u8 ? 0 : -128;
        // Powers of two keep every quotient exact.
        Values a_scale(p.a_zero.size(), 0.5), b_scale(p.b_zero.size(), 0.25);
        a_scale[0] = 0.125;
        b_scale.back() = 0.0625;
        const std::vector<Tensor> operands = {typed_tensor(a_type, c.a, p.a),
                                              typed_tensor(scale_type, c.a_parameters, a_scale),
                                              typed_tensor(a_type, c.a_parameters, p.a_zero),
                                              typed_tensor(b_type, c.b, p.b),
                                              typed_tensor(scale_type, c.b_parameters, b_scale),
                                              typed_tensor(b_type, c.b_parameters, p.b_zero),
                                              typed_tensor(scale_type, {1}, {16}),
                                              typed_tensor(y_type, {1}, {y_zero})};
        const Ran ran = run_graph(one_node("QLinearMatMul", operands), best_isa());
        CHECK(ran.outputs[0].dtype() == y_type);
        REQUIRE(ran.outputs[0].shape() == c.y);
        const Values y = ran.outputs[0].to_double();
        for (size_t i = 0; i < y.size(); ++i) {
          const size_t M = static_cast<size_t>(p.M), N = static_cast<size_t>(p.N), batch = i / (M * N);
          const size_t a_matrix = static_cast<size_t>(c.a_offset[batch] / (p.M * p.K));
          const size_t b_matrix = static_cast<size_t>(c.b_offset[batch] / (p.K * p.N));
          const double scale = a_scale[(a_matrix * M + i / N % M) % a_scale.size()] *
                               b_scale[(b_matrix * N + i % N) % b_scale.size()] / 16;
          double rounded = std::floor(p.sums[i] * scale + 0.5);
          if (rounded - p.sums[i] * scale == 0.5 && std::fmod(rounded, 2) != 0) rounded -= 1;
          if (y[i] != std::clamp(rounded + y_zero, lo, lo + 255)) FAIL_CHECK(i << ": " << y[i] << " of " << p.sums[i]);
        }
        CHECK(ran.plan->estimate.layers[0].cost.elementwise == 5 * static_cast<int64_t>(y.size()));
      }
}

TEST_CASE("integer products over time: as MatMul where parameters are one") {
  CHECK(stream_of("MatMulInteger", {{1, 8, 4}, {4, 5}}, {1}).time_axes == std::vector<int>{1});
  CHECK(stream_of("MatMulInteger", {{1, 4, 8}, {8, 5}}, {2}).obstacle == "sums over time");
  CHECK(!stream_of("MatMulInteger", {{8, 4}, {4, 5}, {8}}, {0}).obstacle.empty());
}

TEST_CASE("integer products: operands that do not fit") {
  const auto tensor = [](DType type, const Shape& shape) {
    return typed_tensor(type, shape, Values(static_cast<size_t>(element_count(shape))));
  };
  const Tensor a = tensor(DType::u8, {2, 3, 4}), b = tensor(DType::i8, {2, 4, 5});
  const auto multiply = [](const std::vector<Tensor>& operands) {
    return error_text(one_node("MatMulInteger", operands));
  };
  const std::string who = "MatMulInteger 'y': ";
  CHECK(multiply({a, b}) == "no error");
  CHECK(multiply({tensor(DType::f32, {2, 4}), b}) == who + "A of type float32 must be int8 or uint8");
  CHECK(multiply({a, tensor(DType::i32, {4, 5})}) == who + "B of type int32 must be int8 or uint8");
  CHECK(multiply({a, tensor(DType::i8, {3, 5})}).find("must agree in K") != std::string::npos);
  CHECK(multiply({a, b, tensor(DType::u8, {4})}) == who + "parameters of shape 4 must be one, or one a row of 2x3x4");
  CHECK(multiply({a, b, tensor(DType::u8, {}), tensor(DType::i8, {1, 4, 1})}) ==
        who + "parameters of shape 1x4x1 must be one, or one a column of 2x4x5");
  CHECK(multiply({a, b, tensor(DType::i8, {})}) == who + "a_zero_point of type int8 must be uint8");
  const Tensor one = Tensor::scalar(1), az = tensor(DType::u8, {}), bz = tensor(DType::i8, {});
  const auto quantised = [&](const Tensor& a_scale, const Tensor& y_scale, const Tensor& y_zero) {
    return error_text(one_node("QLinearMatMul", {a, a_scale, az, b, one, bz, y_scale, y_zero}));
  };
  const std::string linear = "QLinearMatMul 'y': ";
  CHECK(quantised(one, one, az) == "no error");
  CHECK(quantised(tensor(DType::f64, {}), one, az) ==
        linear + "a_scale of type float64 must be float32, float16 or bfloat16");
  CHECK(quantised(one, tensor(DType::f16, {}), az) == linear + "y_scale of type float16 must be float32");
  CHECK(quantised(one, tensor(DType::f32, {2}), az) == linear + "input 6 of shape 2 must have one element");
  CHECK(quantised(one, one, one) == linear + "y_zero_point of type float32 must be int8 or uint8");
}

}  // namespace
