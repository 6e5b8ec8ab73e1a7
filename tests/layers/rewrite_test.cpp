// Rewrite rules: what they merge, what they leave alone, and that results and counts stay what they were.
#include "rewritten.h"

namespace {

using namespace tally;
using namespace tally::test;

GraphMaker& add_batch_norm(GraphMaker& g, const std::string& x, const std::string& y, int64_t channels) {
  g.constant(y + "_s", random_tensor({channels}, 21)).constant(y + "_b", random_tensor({channels}, 22));
  g.constant(y + "_m", random_tensor({channels}, 23)).constant(y + "_v", positive_tensor({channels}, 24));
  return g.node("BatchNormalization", {x, y + "_s", y + "_b", y + "_m", y + "_v"}, y);
}

GraphMaker conv_start(int64_t channels = 6, int64_t outputs = 10) {
  GraphMaker g;
  g.input("x", random_tensor({2, channels, 7, 6}, 1)).constant("w", random_tensor({outputs, channels, 3, 3}, 2));
  g.node("Conv", {"x", "w"}, "conv", {{"pads", Ints{1, 0, 1, 1}}});
  return g;
}

TEST_CASE("rewrite: Conv takes BatchNormalization and an activation") {
  for (const char* activation : {"Relu", "Tanh", "Sigmoid"}) {
    GraphMaker g = conv_start();
    add_batch_norm(g, "conv", "bn", 10).node(activation, {"bn"}, "y").output("y");
    check_rewrite(g, {{"conv", "bn", "y"}});
  }
}

TEST_CASE("rewrite: Conv takes a bias by Add, a scale by Mul, a Clip") {
  GraphMaker g = conv_start();
  g.constant("b", random_tensor({1, 10, 1, 1}, 3))
      .constant("s", random_tensor({10, 1, 1}, 4))
      .constant("half", float_tensor({}, {0.5}));
  g.constant("lo", float_tensor({}, {-0.25})).constant("hi", float_tensor({}, {1.5}));
  g.node("Add", {"b", "conv"}, "add").node("Mul", {"add", "s"}, "mul").node("Sub", {"mul", "half"}, "sub");
  g.node("Clip", {"sub", "lo", "hi"}, "y").output("y");
  check_rewrite(g, {{"conv", "add", "mul", "sub", "y"}});
}

TEST_CASE("rewrite: depthwise and grouped convolutions take them too") {
  GraphMaker g;
  g.input("x", random_tensor({1, 20, 9, 9}, 1))
      .constant("w", random_tensor({20, 1, 3, 3}, 2))
      .constant("w2", random_tensor({8, 10, 1, 1}, 3));
  g.node("Conv", {"x", "w"}, "dw", {{"group", int64_t{20}}, {"pads", Ints{1, 1, 1, 1}}});
  add_batch_norm(g, "dw", "bn", 20).node("Relu", {"bn"}, "relu");
  g.node("Conv", {"relu", "w2"}, "pw", {{"group", int64_t{2}}});
  add_batch_norm(g, "pw", "bn2", 8).node("Relu", {"bn2"}, "y").output("y");
  check_rewrite(g, {{"dw", "bn", "relu"}, {"pw", "bn2", "y"}});
}

TEST_CASE("rewrite: a residual Add joins the later of its two producers") {
  GraphMaker g = conv_start();
  add_batch_norm(g, "conv", "bn", 10);
  g.constant("w2", random_tensor({10, 6, 1, 1}, 5));
  g.node("Conv", {"x", "w2"}, "shortcut", {{"pads", Ints{0, 0, 0, 0}}});
  g.constant("w3", random_tensor({10, 10, 1, 2}, 6)).node("Conv", {"shortcut", "w3"}, "narrow");
  g.node("Add", {"bn", "narrow"}, "sum").node("Relu", {"sum"}, "y").output("y");
  check_rewrite(g, {{"conv", "bn", "sum", "y"}, {"shortcut"}, {"narrow"}});
}

TEST_CASE("rewrite: a depthwise convolution leaves its residual to Add") {
  GraphMaker g;
  g.input("x", random_tensor({1, 20, 6, 6}, 1)).constant("w", random_tensor({20, 1, 3, 3}, 2));
  g.node("Conv", {"x", "w"}, "dw", {{"group", int64_t{20}}, {"pads", Ints{1, 1, 1, 1}}});
  g.node("Add", {"dw", "x"}, "sum").node("Relu", {"sum"}, "y").output("y");
  check_rewrite(g, {{"dw"}, {"sum", "y"}});
}

TEST_CASE("rewrite: a residual from further back, and Relu after a lone Add") {
  GraphMaker g = conv_start(10, 10);
  g.constant("w2", random_tensor({10, 10, 1, 1}, 5)).node("Relu", {"conv"}, "r");
  g.node("Conv", {"r", "w2"}, "c2").node("Add", {"r", "c2"}, "sum").node("Relu", {"sum"}, "r2");
  g.node("Add", {"r2", "r2"}, "twice").node("Relu", {"twice"}, "y").output("y");
  check_rewrite(g, {{"conv", "r"}, {"c2", "sum", "r2"}, {"twice", "y"}});
}

TEST_CASE("rewrite: nothing is absorbed across a graph output or a value read twice") {
  GraphMaker output = conv_start();
  output.node("Relu", {"conv"}, "y").output("y").output("conv");
  check_rewrite(output, {{"conv"}, {"y"}});
  GraphMaker twice = conv_start();
  twice.node("Relu", {"conv"}, "r").node("Tanh", {"conv"}, "t").node("Sub", {"r", "t"}, "y").output("y");
  check_rewrite(twice, {{"conv"}, {"r"}, {"t"}, {"y"}});
}

TEST_CASE("rewrite: what changes the shape or varies along other axes stays") {
  GraphMaker g = conv_start();  // [2, 10, 7, 5]
  g.constant("row", random_tensor({5}, 3)).node("Add", {"conv", "row"}, "add").output("add");
  check_rewrite(g, {{"conv"}, {"add"}});
  GraphMaker wider;
  wider.input("x", random_tensor({1, 3, 4, 4}, 1))
      .constant("w", random_tensor({1, 3, 1, 1}, 2))
      .node("Conv", {"x", "w"}, "conv");
  wider.constant("b", random_tensor({1, 8, 1, 1}, 3)).node("Add", {"conv", "b"}, "y").output("y");
  check_rewrite(wider, {{"conv"}, {"y"}});
}

TEST_CASE("rewrite: what a padded volume's edge would not see stays before its Conv") {
  for (const bool padded : {false, true}) {
    GraphMaker g;
    g.input("x", random_tensor({1, 3, 5, 4, 4}, 1)).constant("c", random_tensor({3, 1, 1, 1}, 2));
    g.constant("w", random_tensor({4, 3, 3, 1, 2}, 3)).node("Add", {"x", "c"}, "add");
    g.node("Conv", {"add", "w"}, "y", {{"pads", Ints{padded, 0, 0, 0, 0, 0}}}).output("y");
    check_rewrite(g, padded ? Rows{{"add"}, {"y"}} : Rows{{"add", "y"}});
  }
}

TEST_CASE("rewrite: Pad goes into Conv where it pads spatial axes with zeros") {
  const auto padded = [](const Ints& pads, float value) {
    GraphMaker g;
    g.input("x", random_tensor({1, 3, 6, 6}, 1)).constant("w", random_tensor({5, 3, 3, 3}, 2));
    g.constant("pads", Tensor::of_int64(pads)).constant("value", float_tensor({}, {value}));
    g.node("Pad", {"x", "pads", "value"}, "pad")
        .node("Conv", {"pad", "w"}, "y", {{"pads", Ints{0, 1, 0, 0}}})
        .output("y");
    return g;
  };
  for (const Isa isa : usable_isas()) {
    const Ran ran = run_graph(padded({0, 0, 1, 2, 0, 0, 0, 1}, 0), isa);
    CHECK(rows_of(ran) == Rows{{"pad", "y"}});
    const Ran plain = run_graph(padded({0, 0, 1, 2, 0, 0, 0, 1}, 0), isa, false);
    // The padding is skipped now; before, its zeros were multiplied.
    CHECK(ran.executed().macs < plain.executed().macs);
    CHECK(difference(ran.outputs[0], plain.outputs[0]) <= 1e-5);
  }
  CHECK(rows_of(run_graph(padded({0, 0, 1, 1, 0, 0, 1, 1}, 0.5), best_isa())) == Rows{{"pad"}, {"y"}});
  CHECK(rows_of(run_graph(padded({1, 0, 0, 0, 0, 0, 0, 0}, 0), best_isa())) == Rows{{"pad"}, {"y"}});
  CHECK(rows_of(run_graph(padded({0, 0, -1, 0, 0, 0, 0, 0}, 0), best_isa())) == Rows{{"pad"}, {"y"}});
  CHECK(rows_of(run_graph(padded({0, 0, 0, 0, 0, 0, 0, 0}, 0), best_isa())) == Rows{{"pad", "y"}});
}

TEST_CASE("rewrite: Transpose from N H W C goes into Conv, and a Pad before it") {
  for (const int64_t channels : {1, 3, 17}) {
    GraphMaker g;
    g.input("x", random_tensor({2, 7, 6, channels}, 1)).constant("w", random_tensor({5, channels, 3, 3}, 2));
    g.node("Transpose", {"x"}, "nchw", {{"perm", Ints{0, 3, 1, 2}}});
    g.node("Conv", {"nchw", "w"}, "y", {{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 0, 1}}}).output("y");
    check_rewrite(g, {{"nchw", "y"}});
  }
  GraphMaker padded;
  padded.input("x", random_tensor({1, 6, 5, 3}, 1)).constant("w", random_tensor({4, 3, 3, 3}, 2));
  padded.constant("pads", Tensor::of_int64({0, 1, 2, 0, 0, 1, 0, 0})).node("Pad", {"x", "pads"}, "pad");
  padded.node("Transpose", {"pad"}, "nchw", {{"perm", Ints{0, 3, 1, 2}}}).node("Conv", {"nchw", "w"}, "y").output("y");
  const Ran ran = run_graph(padded, best_isa()), plain = run_graph(padded, best_isa(), false);
  CHECK(rows_of(ran) == Rows{{"pad", "nchw", "y"}});
  CHECK(difference(ran.outputs[0], plain.outputs[0]) <= 1e-5);
  GraphMaker row;
  row.input("x", random_tensor({2, 9, 4}, 1)).constant("w", random_tensor({5, 4, 3}, 2));
  row.node("Transpose", {"x"}, "ncw", {{"perm", Ints{0, 2, 1}}}).node("Conv", {"ncw", "w"}, "y").output("y");
  check_rewrite(row, {{"ncw", "y"}});
  GraphMaker grouped;
  grouped.input("x", random_tensor({1, 5, 5, 4}, 1)).constant("w", random_tensor({4, 1, 3, 3}, 2));
  grouped.node("Transpose", {"x"}, "nchw", {{"perm", Ints{0, 3, 1, 2}}})
      .node("Conv", {"nchw", "w"}, "y", {{"group", int64_t{4}}})
      .output("y");
  check_rewrite(grouped, {{"nchw"}, {"y"}});
}

TEST_CASE("rewrite: Flatten goes into Gemm, which reads channels where they lie") {
  for (const int64_t outputs : {10, 16, 24}) {
    GraphMaker g = conv_start(6, outputs);  // [2, outputs, 7, 5]
    g.node("Relu", {"conv"}, "relu").node("Flatten", {"relu"}, "flat");
    g.constant("fc", random_tensor({9, outputs * 35}, 3)).constant("b", random_tensor({9}, 4));
    g.node("Gemm", {"flat", "fc", "b"}, "gemm", {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}});
    add_batch_norm(g, "gemm", "bn", 9).node("Relu", {"bn"}, "y").output("y");
    check_rewrite(g, {{"conv", "relu"}, {"flat", "gemm", "bn", "y"}});
  }
}

TEST_CASE("rewrite: Reshape, MatMul, Add, activation") {
  GraphMaker g = conv_start();
  g.constant("shape", Tensor::of_int64({2, -1})).node("Reshape", {"conv", "shape"}, "flat");
  g.constant("fc", random_tensor({350, 12}, 3)).constant("b", random_tensor({1, 12}, 4));
  g.node("MatMul", {"flat", "fc"}, "mm").node("Add", {"mm", "b"}, "add").node("Sigmoid", {"add"}, "y").output("y");
  check_rewrite(g, {{"conv"}, {"flat", "mm", "add", "y"}});
}

TEST_CASE("rewrite: MatMul of higher rank takes a bias along its last axis, and a residual") {
  GraphMaker g;
  g.input("x", random_tensor({2, 3, 8}, 1))
      .constant("w", random_tensor({8, 5}, 2))
      .constant("b", random_tensor({5}, 3));
  g.input("r", random_tensor({2, 3, 5}, 4));
  g.node("MatMul", {"x", "w"}, "mm")
      .node("Add", {"mm", "b"}, "add")
      .node("Add", {"r", "add"}, "sum")
      .node("Relu", {"sum"}, "y")
      .output("y");
  check_rewrite(g, {{"mm", "add", "sum", "y"}});
  GraphMaker batched;
  batched.input("x", random_tensor({2, 3, 8}, 1))
      .input("w", random_tensor({2, 8, 5}, 2))
      .input("r", random_tensor({2, 3, 5}, 4));
  batched.node("MatMul", {"x", "w"}, "mm").node("Add", {"mm", "r"}, "sum").node("Tanh", {"sum"}, "y").output("y");
  check_rewrite(batched, {{"mm", "sum", "y"}});
}

TEST_CASE("rewrite: Identity and Dropout are bypassed") {
  GraphMaker g = conv_start();
  g.node("Identity", {"conv"}, "id").node("Dropout", {"id"}, "drop").node("Relu", {"drop"}, "y").output("y");
  check_rewrite(g, {{"conv", "id", "drop", "y"}});
  GraphMaker alone;
  alone.input("x", random_tensor({3}, 1)).node("Identity", {"x"}, "y").output("y");
  check_rewrite(alone, {{"y"}});
  GraphMaker last = conv_start();
  last.node("Identity", {"conv"}, "y").output("y").output("conv");
  check_rewrite(last, {{"conv", "y"}});
}

TEST_CASE("rewrite: Dropout whose mask nobody reads is bypassed") {
  GraphMaker g;
  g.input("x", random_tensor({2, 8}, 1)).constant("w", random_tensor({8, 3}, 2)).node("Dropout", {"x"}, "d", {}, 9);
  g.graph.nodes[0].outputs.push_back("mask");
  check_rewrite(g.node("MatMul", {"d", "w"}, "y").output("y"), {{"d", "y"}});
}

TEST_CASE("rewrite: Expand goes where its readers broadcast anyway") {
  GraphMaker g;
  g.input("x", random_tensor({2, 6, 5, 4}, 1)).input("gate", random_tensor({2, 6, 1, 1}, 2));
  g.constant("wide", Tensor::of_int64({2, 6, 5, 4})).node("Expand", {"gate", "wide"}, "e");
  g.node("Mul", {"x", "e"}, "m").node("Max", {"e", "m"}, "y").output("y");
  check_rewrite(g, {{"e", "m"}, {"y"}});
  GraphMaker alone = g;  // x² of what is expanded is not of its shape
  alone.node("Mul", {"e", "e"}, "square").output("square");
  check_rewrite(alone, {{"e"}, {"m"}, {"y"}, {"square"}});
  GraphMaker summed = g;
  summed.node("ReduceSum", {"e"}, "sum").output("sum");
  check_rewrite(summed, {{"e"}, {"m"}, {"y"}, {"sum"}});
}

TEST_CASE("an affine map before a convolution or product folds into its weights") {
  GraphMaker g;
  g.input("x", random_tensor({2, 6, 5, 4}, 1)).constant("w", random_tensor({8, 3, 2, 3}, 2));
  g.constant("wb", random_tensor({8}, 3));
  add_batch_norm(g, "x", "bn", 6).node("Conv", {"bn", "w", "wb"}, "y", {{"group", int64_t{2}}}).output("y");
  check_rewrite(g, {{"bn", "y"}});

  GraphMaker padded;  // zeros of padding are scaled, not shifted
  padded.input("x", random_tensor({2, 6, 5, 4}, 1)).constant("w", random_tensor({8, 6, 2, 3}, 2));
  padded.constant("s", random_tensor({6, 1, 1}, 3)).constant("t", random_tensor({6, 1, 1}, 4));
  padded.node("Add", {"x", "t"}, "shifted").node("Mul", {"shifted", "s"}, "scaled");
  padded.node("Conv", {"scaled", "w"}, "y", {{"pads", Ints{1, 1, 0, 0}}}).output("y");
  check_rewrite(padded, {{"shifted"}, {"scaled", "y"}});

  GraphMaker product;
  product.input("x", random_tensor({3, 7}, 1)).constant("b", random_tensor({5, 7}, 2));
  product.constant("c", random_tensor({5}, 3))
      .constant("t", random_tensor({7}, 4))
      .constant("s", random_tensor({7}, 5));
  product.node("Sub", {"t", "x"}, "from").node("Div", {"from", "s"}, "scaled");
  product.node("Gemm", {"scaled", "b", "c"}, "y", {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", -2.0f}})
      .output("y");
  check_rewrite(product, {{"from", "scaled", "y"}}, 1e-3);
}

}  // namespace
