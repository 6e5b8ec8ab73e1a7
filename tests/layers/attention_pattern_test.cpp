// Attention spelled out: what is recognised, what is left alone, and that results stay.
#include <array>

#include "pattern_run.h"

namespace {

using namespace tally;
using namespace tally::test;

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
  CHECK(count_of(shared.output("k_apart"), "Attention") == 1);  // Kᵀ lies turned, and is wanted so: it is read past
  GraphMaker v = spelled_out({});
  CHECK(count_of(v.output("v_apart"), "Attention") == 1);  // the values do not
  GraphMaker axis = spelled_out({});
  for (Node& node : axis.graph.nodes)
    if (node.op == "Softmax") node.attributes["axis"] = int64_t{-2};
  CHECK(count_of(axis, "Attention") == 0);
}

/// Queries, keys and values of one product, as exporters cut it up.
enum class Packing { rows_first, three_apart, three_a_head };

/// Adds the operands [Z, N, d] or [B, H, N, d] of attention over "x"; returns their names.
std::array<std::string, 3> add_packed(GraphMaker& g, Packing packing, int64_t B, int64_t H, int64_t N, int64_t d) {
  const auto shape = [&](const std::string& name, const std::vector<int64_t>& extents) {
    g.constant(name, Tensor::of_int64(extents));
    return name;
  };
  const std::string parts[] = {"q", "k", "v"};
  std::array<std::string, 3> found;
  if (packing == Packing::rows_first) {
    g.input("x", random_tensor({N, B, 3 * H * d}, 1));
    shape("axis", {2});
    shape("merged_heads", {N, B * H, d});
  } else {
    g.input("x", random_tensor({B, N, 3 * H * d}, 1));
  }
  if (packing == Packing::three_apart)
    g.node("Reshape", {"x", shape("five", {B, N, 3, H, d})}, "x5")
        .node("Transpose", {"x5"}, "turned", {{"perm", std::vector<int64_t>{2, 0, 3, 1, 4}}});
  if (packing == Packing::three_a_head) {
    g.node("Reshape", {"x", shape("four", {B, N, H, 3 * d})}, "x4");
    g.graph.nodes.push_back({"cut",
                             "Split",
                             "",
                             "",
                             {"x4", shape("thirds", {d, d, d})},
                             {"q_part", "k_part", "v_part"},
                             {{"axis", int64_t{-1}}},
                             17});
  }
  for (size_t i = 0; i < 3; ++i) {
    const std::string& name = parts[i];
    const auto at = static_cast<int64_t>(i);
    found[i] = name + "_apart";
    if (packing == Packing::rows_first) {
      g.node("Slice", {"x", shape(name + "_from", {at * H * d}), shape(name + "_to", {(at + 1) * H * d}), "axis"},
             name + "_part");
      g.node("Reshape", {name + "_part", "merged_heads"}, name + "_heads");
      g.node("Transpose", {name + "_heads"}, found[i], {{"perm", std::vector<int64_t>{1, 0, 2}}});
    } else if (packing == Packing::three_apart) {
      Tensor index(DType::i64, {});
      index.mutable_values<int64_t>()[0] = at;
      g.constant(name + "_index", index).node("Gather", {"turned", name + "_index"}, found[i]);
    } else {
      g.node("Transpose", {name + "_part"}, found[i], {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    }
  }
  return found;
}

struct PackedForm {
  Packing packing = Packing::rows_first;
  int64_t B = 2, H = 3, N = 9, d = 5;
  bool causal = false, key_mask = false, flat = false;
};

GraphMaker packed_attention(const PackedForm& f) {
  GraphMaker g;
  const auto [q, k, v] = add_packed(g, f.packing, f.B, f.H, f.N, f.d);
  const bool merged = f.packing == Packing::rows_first;
  g.constant("root", one(2.5)).node("Div", {q, "root"}, "q_scaled");
  g.node("Transpose", {k}, "k_turned",
         {{"perm", merged ? std::vector<int64_t>{0, 2, 1} : std::vector<int64_t>{0, 1, 3, 2}}});
  g.node("MatMul", {"q_scaled", "k_turned"}, "scores");
  std::string at = "scores";
  if (f.causal || f.key_mask) {
    const Shape shape = f.causal ? Shape{f.N, f.N} : merged ? Shape{f.B * f.H, 1, f.N} : Shape{f.B, 1, 1, f.N};
    Tensor mask = random_tensor(shape, 7);
    for (int64_t i = 0; f.causal && i < f.N * f.N; ++i)
      mask.mutable_values<float>()[static_cast<size_t>(i)] = i % f.N > i / f.N ? -10000.0f : 0.0f;
    f.causal ? g.constant("mask", mask) : g.input("mask", mask);
    g.node("Add", {at, "mask"}, "masked");
    at = "masked";
  }
  g.node("Softmax", {at}, "weights", {{"axis", int64_t{-1}}}).node("MatMul", {"weights", v}, "context");
  g.node("Transpose", {"context"}, "rows",
         {{"perm", merged ? std::vector<int64_t>{1, 0, 2} : std::vector<int64_t>{0, 2, 1, 3}}});
  const int64_t outer = merged ? f.N : f.B, inner = merged ? f.B : f.N, width = f.H * f.d;
  g.constant("whole", Tensor::of_int64(f.flat ? std::vector<int64_t>{outer * inner, width}
                                              : std::vector<int64_t>{outer, inner, width}));
  return g.node("Reshape", {"rows", "whole"}, "y").output("y");
}

TEST_CASE("attention patterns: queries behind an activation are read behind it") {
  GraphMaker g;
  g.input("q", random_tensor({1, 2, 5, 4}, 1)).input("keys", random_tensor({1, 2, 5, 4}, 2));
  g.node("Transpose", {"keys"}, "k", {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  g.input("v", random_tensor({1, 2, 5, 4}, 3)).constant("scale", one(0.5)).node("Mul", {"q", "scale"}, "scaled");
  g.node("Relu", {"scaled"}, "r").node("MatMul", {"r", "k"}, "scores").node("Softmax", {"scores"}, "w");
  CHECK(count_of(g.node("MatMul", {"w", "v"}, "y").output("y"), "Attention") == 1);
}

TEST_CASE("attention patterns: heads are read where one product holds queries, keys and values") {
  for (const Packing packing : {Packing::rows_first, Packing::three_apart, Packing::three_a_head})
    for (const bool causal : {false, true})
      for (const bool key_mask : {false, true})
        for (const int64_t B : {1, 2}) {
          CAPTURE(static_cast<int>(packing));
          CAPTURE(B);
          const GraphMaker g = packed_attention(
              {.packing = packing, .B = B, .causal = causal, .key_mask = key_mask && !causal, .flat = key_mask});
          CHECK(count_of(g, "Attention") == 1);
          const Ran ran = run_graph(g, best_isa());
          CHECK(ran.plan->rows.size() == 1);  // nothing is moved
          CHECK(ran.plan->rows.back().gap.macs.contains("causal_skipped") == causal);
        }
  CHECK(count_of(packed_attention({.N = 1}), "Attention") == 1);
  CHECK(count_of(packed_attention({.H = 1}), "Attention") == 1);
  CHECK(count_of(packed_attention({.d = 1}), "Attention") == 1);
}

TEST_CASE("attention patterns: heads within one product run step by step") {
  for (const Packing packing : {Packing::rows_first, Packing::three_apart, Packing::three_a_head}) {
    CAPTURE(static_cast<int>(packing));
    const PackedForm form{.packing = packing, .B = packing == Packing::rows_first ? 2 : 1, .causal = true};
    const GraphMaker g = packed_attention(form);
    const std::vector<double> whole = run_graph(g, best_isa()).outputs[0].to_double();
    LoadOptions options;
    options.stream = true;
    Context context(CompiledModel(g.graph, registry(), options));
    const std::vector<double> x = g.feeds.at("x").to_double();
    const size_t width = x.size() / static_cast<size_t>(form.N), out = whole.size() / static_cast<size_t>(form.N);
    for (size_t t = 0; t < static_cast<size_t>(form.N); ++t) {
      const std::span<float> step = context.input<float>("x");
      REQUIRE(step.size() == width);
      for (size_t i = 0; i < width; ++i) step[i] = static_cast<float>(x[t * width + i]);
      context.step();
      const std::vector<double> y = context.output_tensor(0).to_double();
      REQUIRE(y.size() == out);
      for (size_t i = 0; i < out; ++i) CHECK(y[i] == doctest::Approx(whole[t * out + i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("attention patterns: what is read past stays for others that read it") {
  GraphMaker g = packed_attention({});
  CHECK(count_of(g.output("k_apart").output("v_part"), "Attention") == 1);
}

}  // namespace
