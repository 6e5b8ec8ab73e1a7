#include "layer_run.h"
#include "tests/reference/matmul_reference.h"

#include <numeric>
#include <set>

namespace {

using namespace tally;
using namespace tally::test;

int64_t product_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

struct GemmCase {
  int64_t M, N, K;
  bool trans_a = false, trans_b = false;
  float alpha = 1, beta = 1;
  Shape c = {};  ///< [−1]: no C
  bool constant_b = true, constant_c = true;
};

void check_gemm(const GemmCase& t, Isa isa) {
  const bool has_c = t.c != Shape{-1};
  const std::vector<double> a = random_values(t.M * t.K, 1), b = random_values(t.K * t.N, 2);
  const std::vector<double> c = has_c ? random_values(product_of(t.c), 3) : std::vector<double>{};
  const auto c_at = [&](int64_t m, int64_t n) {
    if (!has_c) return 0.0;
    const int64_t columns = t.c.empty() ? 1 : t.c.back(), rows = t.c.size() < 2 ? 1 : t.c[0];
    return c[static_cast<size_t>((rows == 1 ? 0 : m * columns) + (columns == 1 ? 0 : n))];
  };
  GraphMaker g;
  const auto add = [&](const std::string& name, bool constant, Tensor value) {
    constant ? g.constant(name, std::move(value)) : g.input(name, std::move(value));
  };
  add("a", false, float_tensor(t.trans_a ? Shape{t.K, t.M} : Shape{t.M, t.K}, a));
  add("b", t.constant_b, float_tensor(t.trans_b ? Shape{t.N, t.K} : Shape{t.K, t.N}, b));
  std::vector<std::string> inputs = {"a", "b"};
  if (has_c) {
    add("c", t.constant_c, float_tensor(t.c, c));
    inputs.push_back("c");
  }
  g.node("Gemm", inputs, "y",
         {{"alpha", t.alpha}, {"beta", t.beta}, {"transA", int64_t{t.trans_a}}, {"transB", int64_t{t.trans_b}}});
  g.output("y");
  const reference::MatrixResult expected =
      reference::gemm(a, b, t.M, t.N, t.K, t.trans_a, t.trans_b, t.alpha, t.beta, c_at);
  run_every_candidate(g, isa, [&](const Ran& ran) {
    check_close(ran.outputs[0], expected.y, expected.scale, static_cast<double>(t.K + 4));
    CHECK(ran.executed().macs == t.M * t.N * t.K);
    CHECK(ran.plan->estimate.layers[0].cost.macs == t.M * t.N * t.K);
    CHECK(ran.plan->estimate.layers[0].cost.bias_additions == (has_c ? t.M * t.N : 0));
  });
}

TEST_CASE("gemm: tiles, tails and transposes, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const int64_t M : {1, 2, 7, 8, 9, 31})
      for (const int64_t N : {1, 7, 8, 9, 16, 17, 33, 130})
        for (const int64_t K : {1, 5, 64}) {
          CAPTURE(M);
          CAPTURE(N);
          CAPTURE(K);
          check_gemm({M, N, K, (M + N) % 2 == 0, (N + K) % 2 == 0, 1, 1, {N}}, isa);
        }
  }
}

TEST_CASE("gemm: every legal C, alpha and beta, constant or not") {
  const Shape forms[] = {{-1}, {}, {1}, {17}, {1, 17}, {6, 1}, {1, 1}, {6, 17}};
  for (const Shape& c : forms)
    for (const bool constant_b : {true, false})
      for (const bool constant_c : {true, false})
        for (const auto& factors : {std::pair{1.0f, 1.0f}, {0.5f, 1.0f}, {0.25f, 0.35f}, {1.0f, 0.0f}}) {
          CAPTURE(to_string(c));
          CAPTURE(constant_b);
          CAPTURE(constant_c);
          CAPTURE(factors.second);
          check_gemm({6, 17, 10, false, true, factors.first, factors.second, c, constant_b, constant_c}, best_isa());
        }
  check_gemm({1, 40, 33, false, false, 0.5f, 0.5f, {1, 1}, true, true}, best_isa());
  check_gemm({5, 1, 33, false, false, 1, 1, {5, 1}, true, false}, best_isa());
}

TEST_CASE("gemm: columns of equal weights have equal sums") {
  // As in classifiers whose weights are all one number: 1,000 logits, huge and alike.
  for (const Isa isa : usable_isas())
    for (const int64_t N : {1000, 1003, 4096}) {
      GraphMaker g;
      g.input("a", float_tensor({1, 300}, random_values(300, 1)))
          .constant("b", float_tensor({300, N}, std::vector<double>(static_cast<size_t>(300 * N), 0.3)));
      g.node("Gemm", {"a", "b"}, "y").output("y");
      const std::vector<double> y = run_graph(g, isa).outputs[0].to_double();
      CHECK(std::set<double>(y.begin(), y.end()).size() == 1);
    }
}

/// A and B of any legal shapes, elements of any type.
void check_matmul(const Shape& a_shape, const Shape& b_shape, Isa isa, bool constant_b) {
  const int64_t M = a_shape.size() < 2 ? 1 : a_shape[a_shape.size() - 2], K = a_shape.back();
  const int64_t N = b_shape.size() < 2 ? 1 : b_shape.back();
  const auto batch_of = [](const Shape& s) { return s.size() < 3 ? Shape{} : Shape(s.begin(), s.end() - 2); };
  const Shape batch = *broadcast(batch_of(a_shape), batch_of(b_shape));
  std::vector<int64_t> a_offset, b_offset;
  for (int64_t i = 0; i < product_of(batch); ++i) {
    const auto offset = [&](const Shape& own, int64_t matrix) {
      int64_t rest = i, at = 0, stride = matrix;
      for (size_t d = batch.size(); d-- > 0;) {
        const int64_t index = rest % batch[d];
        rest /= batch[d];
        if (d + own.size() < batch.size()) continue;
        const int64_t extent = own[d + own.size() - batch.size()];
        if (extent != 1) at += index * stride;
        stride *= extent;
      }
      return at;
    };
    a_offset.push_back(offset(batch_of(a_shape), M * K));
    b_offset.push_back(offset(batch_of(b_shape), K * N));
  }
  const std::vector<double> a = random_values(product_of(a_shape), 1), b = random_values(product_of(b_shape), 2);
  const reference::MatrixResult expected = reference::matmul(a, b, M, N, K, a_offset, b_offset);
  GraphMaker g;
  g.input("a", float_tensor(a_shape, a));
  constant_b ? g.constant("b", float_tensor(b_shape, b)) : g.input("b", float_tensor(b_shape, b));
  g.node("MatMul", {"a", "b"}, "y").output("y");
  run_every_candidate(g, isa, [&](const Ran& ran) {
    check_close(ran.outputs[0], expected.y, expected.scale, static_cast<double>(K + 2));
    Shape y = batch;
    if (a_shape.size() > 1) y.push_back(M);
    if (b_shape.size() > 1) y.push_back(N);
    CHECK(ran.outputs[0].shape() == y);
    CHECK(ran.executed().macs == product_of(batch) * M * N * K);
    CHECK(ran.plan->estimate.layers[0].cost.macs == product_of(batch) * M * N * K);
    CHECK(ran.plan->estimate.layers[0].cost.bias_additions == 0);
  });
}

TEST_CASE("matmul: ranks and batches that broadcast") {
  const std::pair<Shape, Shape> cases[] = {
      {{4, 5}, {5, 6}},
      {{5}, {5}},
      {{5}, {5, 6}},
      {{4, 5}, {5}},
      {{2, 3, 4, 5}, {5, 6}},
      {{2, 3, 4, 5}, {5}},
      {{3, 4, 5}, {3, 5, 6}},
      {{2, 1, 4, 5}, {3, 5, 6}},
      {{4, 5}, {2, 3, 5, 6}},
      {{5}, {2, 5, 6}},
      {{2, 3, 4, 5}, {1, 1, 5, 6}},
      {{2, 3, 4, 5}, {2, 1, 5, 17}},
      {{1, 1, 1}, {1, 1, 1}},
      {{2, 1, 7, 33}, {1, 3, 33, 9}},
      {{1, 4, 5}, {1, 2, 1, 5, 6}},
  };
  for (const Isa isa : usable_isas())
    for (const auto& shapes : cases)
      for (const bool constant_b : {true, false}) {
        CAPTURE(name_of(isa));
        CAPTURE(to_string(shapes.first));
        CAPTURE(to_string(shapes.second));
        check_matmul(shapes.first, shapes.second, isa, constant_b);
      }
}

template <class T>
Tensor typed_tensor(DType type, const Shape& shape, const std::vector<int>& values) {
  Tensor t(type, shape);
  for (size_t i = 0; i < values.size(); ++i) t.mutable_values<T>()[i] = static_cast<T>(values[i]);
  return t;
}

TEST_CASE("matmul and gemm: integers and double") {
  const std::vector<int> a = {1, -2, 3, 4, 5, -6}, b = {7, 8, -9, 10, 11, 12};  // [2,3] · [3,2]
  // 7+18+33, 8−20+36; 28−45−66, 32+50−72
  const std::vector<double> expected = {58, 24, -83, 10};
  const auto check = [&](Tensor x, Tensor y, const char* op) {
    GraphMaker g;
    g.input("a", std::move(x)).input("b", std::move(y)).node(op, {"a", "b"}, "y").output("y");
    CHECK(run_graph(g, best_isa()).outputs[0].to_double() == expected);
  };
  for (const char* op : {"MatMul", "Gemm"}) {
    check(typed_tensor<int32_t>(DType::i32, {2, 3}, a), typed_tensor<int32_t>(DType::i32, {3, 2}, b), op);
    check(typed_tensor<int64_t>(DType::i64, {2, 3}, a), typed_tensor<int64_t>(DType::i64, {3, 2}, b), op);
    check(typed_tensor<double>(DType::f64, {2, 3}, a), typed_tensor<double>(DType::f64, {3, 2}, b), op);
  }
}

/// LeNet-5's 400 → 120: 400·120 = 48,000 products, 120 bias additions, 48,120 parameters.
TEST_CASE("gemm: the formula against an example worked by hand") {
  GraphMaker g;
  g.input("a", float_tensor({1, 400}, random_values(400, 1)))
      .constant("b", float_tensor({120, 400}, random_values(48000, 2)));
  g.constant("c", float_tensor({120}, random_values(120, 3)))
      .node("Gemm", {"a", "b", "c"}, "y", {{"transB", int64_t{1}}})
      .output("y");
  const NodeEstimate row = run_graph(g, best_isa()).plan->estimate.layers[0];
  CHECK(row.cost.macs == 48'000);
  CHECK(row.cost.bias_additions == 120);
  CHECK(row.ops_sequential() == 96'000);
  CHECK(row.ops_fused() == 48'120);
  CHECK(row.params == 48'120);
  CHECK(row.bytes_read == 1'600);
  CHECK(row.bytes_weights == 192'480);
  CHECK(row.bytes_written == 480);
}

TEST_CASE("matmul: zero extents") {
  GraphMaker g;
  g.input("a", Tensor(DType::f32, {2, 0}))
      .constant("b", Tensor(DType::f32, {0, 3}))
      .node("MatMul", {"a", "b"}, "y")
      .output("y");
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>(6, 0.0));
  GraphMaker none;
  none.input("a", Tensor(DType::f32, {0, 2}))
      .constant("b", Tensor(DType::f32, {2, 3}))
      .node("MatMul", {"a", "b"}, "y")
      .output("y");
  CHECK(run_graph(none, best_isa()).outputs[0].shape() == Shape{0, 3});
}

std::string error_of(const std::string& op, const std::vector<Shape>& shapes,
                     std::map<std::string, Attribute> attributes = {}, int opset = 17) {
  GraphMaker g;
  std::vector<std::string> names;
  for (size_t i = 0; i < shapes.size(); ++i) {
    names.push_back(text("x", i));
    g.input(names.back(), Tensor(DType::f32, shapes[i]));
  }
  g.node(op, names, "fc", std::move(attributes), opset).output("fc");
  try {
    Context context(CompiledModel(g.graph, registry(), {}));
  } catch (const Error& e) {
    CHECK(e.code != ErrorCode::internal);
    return e.what();
  }
  return "no error";
}

TEST_CASE("gemm and matmul: errors name node, found and required") {
  CHECK(error_of("Gemm", {{2, 3}, {4, 5}}) == "Gemm 'fc': B of shape 4x5 must have K=3 rows");
  CHECK(error_of("Gemm", {{2, 3}, {5, 4}}, {{"transB", int64_t{1}}}) ==
        "Gemm 'fc': B of shape 5x4 (transB) must have K=3 columns");
  CHECK(error_of("Gemm", {{2, 3, 4}, {4, 5}}) == "Gemm 'fc': A of shape 2x3x4 must have rank 2");
  CHECK(error_of("Gemm", {{2, 3}, {3, 5}, {4}}) == "Gemm 'fc': C of shape 4 must broadcast to 2x5");
  CHECK(error_of("Gemm", {{2, 3}, {3, 5}, {5}}, {}, 6) ==
        "Gemm 'fc': C of shape 5 must have the shape (without broadcast) 2x5");
  CHECK(error_of("Gemm", {{2, 3}, {3, 5}, {5}}, {{"broadcast", int64_t{1}}}, 6) == "no error");
  CHECK(error_of("Gemm", {{2, 3}, {3, 5}}, {}, 9) == "Gemm 'fc': 2 inputs must be 3 (A, B, C)");
  CHECK(error_of("MatMul", {{2, 3}, {4, 5}}) ==
        "MatMul 'fc': operands of shapes 2x3 and 4x5 must agree in K: 3 columns, 4 rows");
  CHECK(error_of("MatMul", {{2, 2, 3}, {3, 3, 5}}) ==
        "MatMul 'fc': operands of shapes 2x2x3 and 3x3x5 must have batch dimensions that broadcast");
  CHECK(error_of("MatMul", {{}, {3, 5}}) == "MatMul 'fc': operands of shapes scalar and 3x5 must have rank >= 1");
}

}  // namespace
