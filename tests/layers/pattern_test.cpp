// Norms and activations spelled out: what is recognised, what is left alone, and that results stay.
#include "pattern_run.h"

namespace {

using namespace tally;
using namespace tally::test;

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

TEST_CASE("norm patterns: LayerNormalization over several axes") {
  for (const bool whole : {true, false}) {
    GraphMaker g;
    g.input("x", random_tensor({2, 3, 4, 5}, 1)).constant("two", one(2)).constant("eps", one(1e-3));
    g.constant("g", random_tensor(whole ? Shape{4, 5} : Shape{5}, 2)).constant("b", random_tensor({1, 4, 5}, 3));
    const std::map<std::string, Attribute> axes = {{"axes", std::vector<int64_t>{-2, -1}}};
    g.node("ReduceMean", {"x"}, "mean", axes, 13).node("Sub", {"x", "mean"}, "d").node("Pow", {"d", "two"}, "square");
    g.node("ReduceMean", {"square"}, "variance", axes, 13).node("Add", {"variance", "eps"}, "v");
    g.node("Sqrt", {"v"}, "root").node("Div", {"d", "root"}, "n").node("Mul", {"n", "g"}, "s");
    CHECK(count_of(g.node("Add", {"s", "b"}, "y").output("y"), "LayerNormalization") == 1);
  }
}

TEST_CASE("norm patterns: LayerNormalization with scale and bias joined before they meet x") {
  for (const bool kept : {true, false}) {
    GraphMaker g;
    g.input("x", random_tensor({2, 5, 12}, 1)).constant("eps", one(1e-3));
    g.constant("g", random_tensor({12}, 2)).constant("b", random_tensor({12}, 3));
    const std::map<std::string, Attribute> axes = {{"axes", std::vector<int64_t>{-1}}};
    g.node("ReduceMean", {"x"}, "mean", axes, 13).node("Sub", {"x", "mean"}, "d").node("Mul", {"d", "d"}, "square");
    g.node("ReduceMean", {"square"}, "variance", axes, 13).node("Add", {"variance", "eps"}, "v");
    g.node("Sqrt", {"v"}, "root").node("Reciprocal", {"root"}, "inverse").node("Mul", {"inverse", "g"}, "a");
    g.node("Mul", {"x", "a"}, "scaled").node("Mul", {"mean", "a"}, "shift").node("Sub", {"b", "shift"}, "rest");
    g.node("Add", {"scaled", "rest"}, "y").output("y");
    if (kept) g.output("a");
    CHECK(count_of(g, "LayerNormalization") == (kept ? 0 : 1));
  }
}

TEST_CASE("norm patterns: GroupNormalization as InstanceNormalization of groups") {
  for (const bool plain : {true, false}) {
    GraphMaker g;
    g.input("x", random_tensor({2, 6, 4, 5}, 1)).constant("groups", Tensor::of_int64({0, 3, -1}));
    g.constant("ones", float_tensor({3}, {1, 1, plain ? 1.0 : 2.0})).constant("zeros", float_tensor({3}, {0, 0, 0}));
    g.constant("back", Tensor::of_int64({2, 6, 4, 5})).constant("g", random_tensor({6, 1, 1}, 2));
    g.constant("b", random_tensor({1, 6, 1, 1}, 3)).node("Reshape", {"x", "groups"}, "rows");
    g.node("InstanceNormalization", {"rows", "ones", "zeros"}, "n", {{"epsilon", 1e-3f}});
    g.node("Reshape", {"n", "back"}, "n4").node("Mul", {"n4", "g"}, "s").node("Add", {"b", "s"}, "y");
    CHECK(count_of(g.output("y"), "GroupNormalization") == (plain ? 1 : 0));
  }
}

TEST_CASE("norm patterns: a mean along another axis, read past a transposition, is no row's") {
  GraphMaker g;
  g.input("x", random_tensor({2, 4, 4}, 1)).constant("eps", one(1e-3));
  const std::map<std::string, Attribute> axes = {{"axes", std::vector<int64_t>{-1}}};
  const std::map<std::string, Attribute> turn = {{"perm", std::vector<int64_t>{0, 2, 1}}};
  g.node("Transpose", {"x"}, "t", turn).node("ReduceMean", {"t"}, "mean", axes, 13).node("Sub", {"x", "mean"}, "d");
  // The pair goes when the mean already reads past t.
  g.node("Mul", {"d", "d"}, "square").node("Transpose", {"square"}, "s1", turn).node("Transpose", {"s1"}, "s2", turn);
  g.node("ReduceMean", {"s2"}, "m", axes, 13).node("Add", {"m", "eps"}, "v").node("Sqrt", {"v"}, "root");
  g.node("Div", {"d", "root"}, "y");
  CHECK(count_of(g.output("y").output("t"), "LayerNormalization") == 0);
}

TEST_CASE("patterns: what has absorbed an activation is no part of them") {
  GraphMaker norm;  // the Identity goes after Add has taken Relu
  norm.input("x", random_tensor({2, 5, 12}, 1)).constant("eps", one(1e-3)).constant("g", random_tensor({12}, 2));
  const std::map<std::string, Attribute> axes = {{"axes", std::vector<int64_t>{-1}}};
  norm.constant("b", random_tensor({12}, 3))
      .node("ReduceMean", {"x"}, "mean", axes, 13)
      .node("Sub", {"x", "mean"}, "d");
  norm.node("Mul", {"d", "d"}, "square").node("ReduceMean", {"square"}, "m", axes, 13).node("Identity", {"m"}, "same");
  norm.node("Add", {"same", "eps"}, "v").node("Sqrt", {"v"}, "root").node("Div", {"d", "root"}, "n");
  norm.node("Mul", {"n", "g"}, "s").node("Add", {"s", "b"}, "sum").node("Relu", {"sum"}, "y");
  CHECK(count_of(norm.output("y"), "LayerNormalization") == 0);
  GraphMaker gate;  // x · sigmoid(relu(a·x))
  gate.input("x", random_tensor({3, 40}, 1)).constant("slope", one(1.5)).node("Mul", {"slope", "x"}, "steep");
  gate.node("Relu", {"steep"}, "r").node("Sigmoid", {"r"}, "s").node("Mul", {"x", "s"}, "y");
  CHECK(count_of(gate.output("y"), "Swish") == 0);
}

TEST_CASE("activation patterns: Gelu by erf and tanh") {
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
}

TEST_CASE("activation patterns: Swish, HardSwish and Mish as gates of what they open") {
  const auto gated = [](auto add_gate, bool first) {
    GraphMaker g;
    g.input("x", random_tensor({3, 40}, 1));
    add_gate(g);
    return first ? g.node("Mul", {"x", "gate"}, "y").output("y") : g.node("Mul", {"gate", "x"}, "y").output("y");
  };
  for (const bool first : {true, false}) {
    CHECK(count_of(gated([](GraphMaker& g) { g.node("Sigmoid", {"x"}, "gate"); }, first), "Swish") == 1);
    const auto quick = [](GraphMaker& g) {
      g.constant("slope", one(1.702)).node("Mul", {"slope", "x"}, "steep").node("Sigmoid", {"steep"}, "gate");
    };
    CHECK(count_of(gated(quick, first), "Swish") == 1);
    const auto hard = [](float alpha) {
      return [alpha](GraphMaker& g) { g.node("HardSigmoid", {"x"}, "gate", {{"alpha", alpha}}); };
    };
    CHECK(count_of(gated(hard(1.0f / 6), first), "HardSwish") == 1);
    CHECK(count_of(gated(hard(0.2f), first), "HardSwish") == 0);
    const auto soft = [](GraphMaker& g) { g.node("Softplus", {"x"}, "soft").node("Tanh", {"soft"}, "gate"); };
    CHECK(count_of(gated(soft, first), "Mish") == 1);
  }
}

TEST_CASE("activation patterns: HardSwish as a clip between 0 and 6") {
  for (const double highest : {6.0, 5.0})
    for (const int order : {0, 1, 2}) {
      GraphMaker g;
      g.input("x", random_tensor({3, 40}, 1)).constant("three", one(3)).constant("six", one(6));
      g.constant("lo", one(0)).constant("hi", one(highest)).constant("sixth", one(1.0 / 6));
      g.node("Add", {"x", "three"}, "shifted").node("Clip", {"shifted", "lo", "hi"}, "clipped");
      if (order == 0) g.node("Mul", {"x", "clipped"}, "opened").node("Div", {"opened", "six"}, "y");
      if (order == 1) g.node("Div", {"clipped", "six"}, "gate").node("Mul", {"gate", "x"}, "y");
      if (order == 2) g.node("Mul", {"sixth", "clipped"}, "gate").node("Mul", {"x", "gate"}, "y");
      CHECK(count_of(g.output("y"), "HardSwish") == (highest == 6 ? 1 : 0));
    }
}

/// As PyTorch exports local_response_norm of x [2, 7, 4, 3].
GraphMaker channel_means(const Ints& pads, double size, bool twice = false) {
  GraphMaker g;
  g.input("x", random_tensor({2, 7, 4, 3}, 1)).constant("apart", Tensor::of_int64({2, 1, 7, 4, -1}));
  g.constant("together", Tensor::of_int64({2, 7, 4, 3})).constant("pads", Tensor::of_int64(pads));
  g.constant("alpha", one(0.25)).constant("k", one(1.5)).constant("beta", one(0.75));
  g.node("Mul", {"x", "x"}, "square")
      .node("Reshape", {"square", "apart"}, "rows")
      .node("Pad", {"rows", "pads"}, twice ? "first" : "padded");
  if (twice) g.constant("none", Tensor::of_int64(Ints(10, 0))).node("Pad", {"first", "none"}, "padded");
  g.node("AveragePool", {"padded"}, "mean", {{"kernel_shape", Ints{static_cast<int64_t>(size), 1, 1}}});
  g.node("Reshape", {"mean", "together"}, "means").node("Mul", {"means", "alpha"}, "scaled");
  g.node("Add", {"scaled", "k"}, "sum").node("Pow", {"sum", "beta"}, "power").node("Div", {"x", "power"}, "y");
  return g.output("y");
}

TEST_CASE("norm patterns: LRN as a mean of squares over padded channels") {
  CHECK(count_of(channel_means({0, 0, 2, 0, 0, 0, 0, 2, 0, 0}, 5), "LRN") == 1);
  CHECK(count_of(channel_means({0, 0, 2, 0, 0, 0, 0, 2, 0, 0}, 5, true), "LRN") == 1);
  CHECK(count_of(channel_means({0, 0, 1, 0, 0, 0, 0, 2, 0, 0}, 4), "LRN") == 1);
  CHECK(count_of(channel_means({0, 0, 2, 0, 0, 0, 0, 1, 0, 0}, 4), "LRN") == 0);  // the window lies one channel back
  CHECK(count_of(channel_means({0, 0, 2, 0, 0, 0, 0, 2, 0, 0}, 5).output("mean"), "LRN") == 0);
}

}  // namespace
