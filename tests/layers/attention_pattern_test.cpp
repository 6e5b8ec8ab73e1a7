// Attention, norms and activations spelled out: what is recognised, what is left alone, and that results stay.
#include "layer_run.h"

namespace {

using namespace tally;
using namespace tally::test;

Tensor random_tensor(const Shape& shape, uint32_t seed) {
  return float_tensor(shape, random_values(element_count(shape), seed));
}
Tensor one(double value) { return float_tensor({}, {value}); }

double difference(const Tensor& found, const Tensor& expected) {
  const std::vector<double> a = found.to_double(), b = expected.to_double();
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - b[i]) / (1 + std::abs(b[i]));
    worst = error <= worst ? worst : error;
  }
  return worst;
}

/// Rows whose operator is `op` after rewriting, results and ideal costs as without it.
int count_of(const GraphMaker& g, const std::string& op, double tolerance = 1e-5) {
  int count = 0;
  for (const Isa isa : {Isa::scalar, best_isa()}) {
    CAPTURE(name_of(isa));
    const Ran rewritten = run_graph(g, isa, true), plain = run_graph(g, isa, false);
    for (size_t o = 0; o < plain.outputs.size(); ++o)
      CHECK(difference(rewritten.outputs[o], plain.outputs[o]) <= tolerance);
    int64_t ideal = 0;
    size_t origins = 0;
    count = 0;
    for (const PlanRow& row : rewritten.plan->rows) {
      ideal += row.ideal.macs;
      origins += row.origins.size();
      count += row.op == op;
    }
    CHECK(ideal == plain.plan->estimate.totals.macs);
    CHECK(origins == plain.plan->estimate.layers.size());
  }
  return count;
}

enum class MaskForm { none, causal, causal_finite, where, other, dynamic };

struct Form {
  int64_t H = 4, G = 4, N = 9, d = 6;
  bool scale_both = false, k_twice = false, merge = true, split = true;
  MaskForm mask = MaskForm::none;
  bool softcap = false;
};

/// One operand's heads: [1, N, H·d] → [1, H, N, d] or, for Kᵀ, [1, H, d, N].
std::string add_heads(GraphMaker& g, const std::string& name, int64_t heads, const Form& f, bool turned) {
  const std::vector<int64_t> perm =
      turned && !f.k_twice && f.G == f.H ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3};
  std::string at = name;
  if (f.split) {
    g.input(name, random_tensor({1, f.N, heads * f.d}, static_cast<uint32_t>(name[0])));
    g.constant(name + "_split", Tensor::of_int64({1, f.N, heads, f.d}));
    g.node("Reshape", {name, name + "_split"}, name + "_heads")
        .node("Transpose", {name + "_heads"}, name + "_apart", {{"perm", perm}});
    at = name + "_apart";
  } else {
    g.input(name, random_tensor({1, heads, f.N, f.d}, static_cast<uint32_t>(name[0])));
  }
  if (heads != f.H) {
    g.constant(name + "_axes", Tensor::of_int64({2}))
        .constant(name + "_many", Tensor::of_int64({1, heads, f.H / heads, f.N, f.d}));
    g.constant(name + "_all", Tensor::of_int64({1, f.H, f.N, f.d}));
    g.node("Unsqueeze", {at, name + "_axes"}, name + "_5")
        .node("Expand", {name + "_5", name + "_many"}, name + "_repeated");
    g.node("Reshape", {name + "_repeated", name + "_all"}, name + "_full");
    at = name + "_full";
  }
  if (turned && (perm == std::vector<int64_t>{0, 2, 1, 3} || !f.split)) {
    g.node("Transpose", {at}, name + "_t", {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
    at = name + "_t";
  }
  return at;
}

std::string add_mask(GraphMaker& g, const Form& f, std::string at) {
  std::vector<double> mask(static_cast<size_t>(f.N * f.N));
  for (int64_t i = 0; i < f.N; ++i)
    for (int64_t j = 0; j < f.N; ++j) {
      double& m = mask[static_cast<size_t>(i * f.N + j)];
      m = j <= i ? 0 : f.mask == MaskForm::causal_finite ? -1e9 : -INFINITY;
      if (f.mask == MaskForm::other && j == i) m = 0.5;
    }
  if (f.mask == MaskForm::where) {
    Tensor hidden(DType::boolean, {1, 1, f.N, f.N});
    for (size_t i = 0; i < mask.size(); ++i) hidden.mutable_values<uint8_t>()[i] = mask[i] != 0;
    g.constant("hidden", hidden).constant("fill", one(-INFINITY)).node("Where", {"hidden", "fill", at}, "masked");
  } else {
    const Tensor tensor = float_tensor({1, 1, f.N, f.N}, mask);
    f.mask == MaskForm::dynamic ? g.input("mask", tensor) : g.constant("mask", tensor);
    g.node("Add", {at, "mask"}, "masked");
  }
  return "masked";
}

GraphMaker spelled_out(const Form& f) {
  GraphMaker g;
  std::string q = add_heads(g, "q", f.H, f, false), k = add_heads(g, "k", f.G, f, true),
              v = add_heads(g, "v", f.G, f, false);
  g.constant("scale", one(f.scale_both ? 0.6 : 0.36));
  if (f.scale_both) {
    g.node("Mul", {q, "scale"}, "q_scaled").node("Mul", {k, "scale"}, "k_scaled");
    q = "q_scaled";
    k = "k_scaled";
  }
  g.node("MatMul", {q, k}, "scores");
  std::string at = "scores";
  if (!f.scale_both) {
    g.node("Mul", {"scale", at}, "scaled");
    at = "scaled";
  }
  if (f.softcap) {
    g.constant("cap", one(1.25));
    g.node("Div", {at, "cap"}, "small").node("Tanh", {"small"}, "tanh").node("Mul", {"tanh", "cap"}, "capped");
    at = "capped";
  }
  if (f.mask != MaskForm::none) at = add_mask(g, f, at);
  g.node("Softmax", {at}, "weights", {{"axis", int64_t{-1}}}).node("MatMul", {"weights", v}, "context");
  if (!f.merge) return g.output("context");
  g.constant("merged", Tensor::of_int64({1, f.N, f.H * f.d}));
  g.node("Transpose", {"context"}, "rows", {{"perm", std::vector<int64_t>{0, 2, 1, 3}}})
      .node("Reshape", {"rows", "merged"}, "y");
  return g.output("y");
}

TEST_CASE("attention patterns: split and merged heads, scales, masks, shared keys") {
  for (const bool split : {true, false})
    for (const bool merge : {true, false})
      for (const bool both : {true, false})
        for (const int64_t G : {4, 2, 1})
          for (const MaskForm mask : {MaskForm::none, MaskForm::causal, MaskForm::causal_finite, MaskForm::where,
                                      MaskForm::other, MaskForm::dynamic}) {
            CAPTURE(static_cast<int>(mask));
            CAPTURE(G);
            const GraphMaker g = spelled_out(
                {.G = G, .scale_both = both, .merge = merge, .split = split, .mask = mask, .softcap = G == 1});
            CHECK(count_of(g, "Attention") == 1);
            const Ran ran = run_graph(g, best_isa());
            const bool causal = mask == MaskForm::causal || mask == MaskForm::causal_finite || mask == MaskForm::where;
            CHECK(ran.plan->rows.back().gap.macs.contains("causal_skipped") == causal);
            if (G == 4) CHECK(ran.plan->rows.size() == 1);  // nothing is moved
          }
  CHECK(count_of(spelled_out({.k_twice = true}), "Attention") == 1);
}

TEST_CASE("attention patterns: what is read elsewhere or runs along another axis stays") {
  for (const char* kept : {"scores", "scaled", "weights"}) {
    GraphMaker g = spelled_out({});
    CHECK(count_of(g.output(kept), "Attention") == 0);
  }
  GraphMaker shared = spelled_out({});
  CHECK(count_of(shared.output("k_apart"), "Attention") == 0);  // Kᵀ lies turned, and is wanted so
  GraphMaker v = spelled_out({});
  CHECK(count_of(v.output("v_apart"), "Attention") == 1);  // the values do not
  GraphMaker axis = spelled_out({});
  for (Node& node : axis.graph.nodes)
    if (node.op == "Softmax") node.attributes["axis"] = int64_t{-2};
  CHECK(count_of(axis, "Attention") == 0);
}

GraphMaker layer_norm(bool multiply, bool parameters, bool kept) {
  GraphMaker g;
  g.input("x", random_tensor({2, 5, 12}, 1)).constant("two", one(2)).constant("eps", one(1e-3));
  g.constant("g", random_tensor({12}, 2)).constant("b", random_tensor({1, 1, 12}, 3));
  g.node("ReduceMean", {"x"}, "mean", {{"axes", std::vector<int64_t>{-1}}}, 13).node("Sub", {"x", "mean"}, "d");
  multiply ? g.node("Mul", {"d", "d"}, "square") : g.node("Pow", {"d", "two"}, "square");
  g.node("ReduceMean", {"square"}, "variance", {{"axes", std::vector<int64_t>{2}}}, 13)
      .node("Add", {"variance", "eps"}, "v");
  g.node("Sqrt", {"v"}, "root").node("Div", {"d", "root"}, "n");
  if (kept) g.output("variance");
  if (!parameters) return g.output("n");
  return g.node("Mul", {"n", "g"}, "s").node("Add", {"s", "b"}, "y").output("y");
}

TEST_CASE("norm patterns: LayerNormalization and RMSNormalization") {
  for (const bool multiply : {true, false})
    for (const bool parameters : {true, false}) {
      CHECK(count_of(layer_norm(multiply, parameters, false), "LayerNormalization") == 1);
      CHECK(count_of(layer_norm(multiply, parameters, true), "LayerNormalization") == 0);
    }
  for (const bool reciprocal : {true, false}) {
    GraphMaker g;
    g.input("x", random_tensor({2, 5, 12}, 1))
        .constant("eps", float_tensor({1}, {1e-5}))
        .constant("g", random_tensor({12}, 2));
    g.node("Mul", {"x", "x"}, "square").node("ReduceMean", {"square"}, "m", {{"axes", std::vector<int64_t>{-1}}}, 13);
    g.node("Add", {"m", "eps"}, "v").node("Sqrt", {"v"}, "root");
    if (reciprocal)
      g.node("Reciprocal", {"root"}, "inverse").node("Mul", {"x", "inverse"}, "n");
    else
      g.node("Div", {"x", "root"}, "n");
    g.node("Mul", {"n", "g"}, "y").output("y");
    CHECK(count_of(g, "RMSNormalization") == 1);
  }
}

TEST_CASE("activation patterns: Gelu by erf and tanh, Swish") {
  for (const int order : {0, 1, 2, 3}) {
    GraphMaker g;
    g.input("x", random_tensor({3, 40}, 1))
        .constant("root", one(std::sqrt(2.0)))
        .constant("inverse", one(std::sqrt(0.5)));
    g.constant("one", one(1)).constant("half", one(0.5)).constant("two", one(2));
    order % 2 == 0 ? g.node("Div", {"x", "root"}, "a") : g.node("Mul", {"inverse", "x"}, "a");
    g.node("Erf", {"a"}, "e").node("Add", {"e", "one"}, "f");
    if (order == 0) g.node("Mul", {"x", "f"}, "p").node("Mul", {"p", "half"}, "y");
    if (order == 1) g.node("Mul", {"x", "half"}, "h").node("Mul", {"h", "f"}, "y");
    if (order == 2) g.node("Mul", {"f", "half"}, "p").node("Mul", {"x", "p"}, "y");
    if (order == 3) g.node("Mul", {"x", "f"}, "p").node("Div", {"p", "two"}, "y");
    CHECK(count_of(g.output("y"), "Gelu") == 1);
  }
  for (const bool power : {true, false}) {
    GraphMaker g;
    g.input("x", random_tensor({3, 40}, 1))
        .constant("three", one(3))
        .constant("c", one(0.044715))
        .constant("r", one(0.7978845608));
    g.constant("one", one(1)).constant("half", one(0.5));
    power ? g.node("Pow", {"x", "three"}, "cube")
          : g.node("Mul", {"x", "x"}, "square").node("Mul", {"square", "x"}, "cube");
    g.node("Mul", {"cube", "c"}, "c3")
        .node("Add", {"x", "c3"}, "sum")
        .node("Mul", {"sum", "r"}, "a")
        .node("Tanh", {"a"}, "t");
    g.node("Add", {"t", "one"}, "f").node("Mul", {"x", "half"}, "h").node("Mul", {"h", "f"}, "y").output("y");
    CHECK(count_of(g, "Gelu") == 1);
  }
  GraphMaker swish;
  swish.input("x", random_tensor({3, 40}, 1)).node("Sigmoid", {"x"}, "s").node("Mul", {"s", "x"}, "y").output("y");
  CHECK(count_of(swish, "Swish") == 1);
}

}  // namespace
