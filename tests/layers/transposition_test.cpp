// Transpositions that melt away: results, counts and the rows that are left.
#include "rewritten.h"

namespace {

using namespace tally;
using namespace tally::test;

const Ints kToLast{0, 2, 3, 1}, kToFirst{0, 3, 1, 2};

/// The rows of a rewritten plan that move data for a Transpose, and no other node besides.
int64_t transpositions(const GraphMaker& g) {
  const Ran ran = run_graph(g, usable_isas().back(), true);
  return std::count_if(ran.plan->rows.begin(), ran.plan->rows.end(),
                       [](const PlanRow& row) { return row.op == "Transpose" && row.kernel != "view"; });
}

/// Results and counts stay; `left` transpositions still move data.
void check_melted(const GraphMaker& g, int64_t left) {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    const Ran rewritten = run_graph(g, isa, true), plain = run_graph(g, isa, false);
    CHECK(rewritten.executed().macs == plain.executed().macs);
    for (size_t o = 0; o < plain.outputs.size(); ++o) {
      CHECK(rewritten.outputs[o].shape() == plain.outputs[o].shape());
      CHECK(difference(rewritten.outputs[o], plain.outputs[o]) <= 1e-5);
    }
  }
  CHECK(transpositions(g) == left);
}

/// x [2, 7, 6, 5] as a channels-last exporter leaves it: Conv between a pair of transpositions; value "a" is its
/// result, N H W C.
GraphMaker channels_last_conv() {
  GraphMaker g;
  g.input("x", random_tensor({2, 7, 6, 5}, 1)).constant("w", random_tensor({8, 5, 3, 3}, 2));
  g.node("Transpose", {"x"}, "x1", {{"perm", kToFirst}});
  g.node("Conv", {"x1", "w"}, "c", {{"pads", Ints{1, 1, 1, 1}}});
  return g.node("Transpose", {"c"}, "a", {{"perm", kToLast}});
}

GraphMaker& second_conv(GraphMaker& g, const std::string& from) {
  g.constant("v", random_tensor({4, 8, 3, 3}, 3));
  g.node("Transpose", {from}, "y1", {{"perm", kToFirst}});
  return g.node("Conv", {"y1", "v"}, "y", {});
}

TEST_CASE("elementwise layers between two convolutions work where the data lie") {
  GraphMaker g = channels_last_conv();
  g.constant("b", random_tensor({8}, 4)).constant("s", random_tensor({6, 1}, 5));
  g.node("Add", {"a", "b"}, "d").node("Mul", {"s", "d"}, "e").node("LeakyRelu", {"e"}, "f");
  g.node("Tanh", {"f"}, "h");
  second_conv(g, "h").output("y");
  check_melted(g, 0);
}

TEST_CASE("a residual beside the path joins before the transposition") {
  GraphMaker g = channels_last_conv();
  g.constant("u", random_tensor({8, 8, 1, 1}, 6));
  g.node("Relu", {"a"}, "r").node("Transpose", {"r"}, "r1", {{"perm", kToFirst}}).node("Conv", {"r1", "u"}, "c2", {});
  g.node("Transpose", {"c2"}, "a2", {{"perm", kToLast}}).node("Add", {"a2", "r"}, "sum");
  second_conv(g, "sum").output("y");
  check_melted(g, 0);
}

TEST_CASE("padding, concatenation and reductions follow their axes") {
  GraphMaker g = channels_last_conv();
  g.constant("pads", Tensor::of_int64({0, 1, 0, 0, 0, 0, 1, 0})).constant("u", random_tensor({3, 5, 3, 3}, 7));
  g.node("Conv", {"x1", "u"}, "c2", {{"pads", Ints{1, 1, 1, 1}}}).node("Transpose", {"c2"}, "a2", {{"perm", kToLast}});
  g.node("Concat", {"a", "a2"}, "cat", {{"axis", int64_t{-1}}});
  g.node("Pad", {"cat", "pads"}, "p").constant("axes", Tensor::of_int64({1, 2}));
  g.node("ReduceMean", {"p", "axes"}, "kept", {{"keepdims", int64_t{1}}}, 18);
  g.node("ReduceMax", {"kept", "axes"}, "y", {{"keepdims", int64_t{0}}}, 18).output("y");
  check_melted(g, 1);  // of the input, for two readers
}

TEST_CASE("padding by attribute goes into the convolution behind the transposition, along the axes it means") {
  GraphMaker g = channels_last_conv();
  g.node("Pad", {"a"}, "p", {{"pads", Ints{0, 0, 2, 0, 0, 0, 1, 0}}}, 10);
  second_conv(g, "p").output("y");
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    const Ran rewritten = run_graph(g, isa, true), plain = run_graph(g, isa, false);
    CHECK(rewritten.outputs[0].shape() == plain.outputs[0].shape());
    CHECK(difference(rewritten.outputs[0], plain.outputs[0]) <= 1e-5);
    CHECK(rows_of(rewritten).count({"a", "p", "y1", "y"}) == 1);
  }
}

TEST_CASE("squeeze and excitation: a reduction reads past the transposition that its neighbour needs") {
  GraphMaker g = channels_last_conv();
  g.constant("axes", Tensor::of_int64({1, 2})).constant("u", random_tensor({8, 8, 1, 1}, 6));
  g.node("ReduceMean", {"a", "axes"}, "m", {{"keepdims", int64_t{1}}}, 18);
  g.node("Transpose", {"m"}, "m1", {{"perm", kToFirst}}).node("Conv", {"m1", "u"}, "c2");
  g.node("Transpose", {"c2"}, "m2", {{"perm", kToLast}})
      .node("Sigmoid", {"m2"}, "gate")
      .node("Mul", {"a", "gate"}, "e");
  second_conv(g, "e").output("y");
  check_melted(g, 0);
}

TEST_CASE("two transpositions make one, those of single rows none") {
  GraphMaker g;
  g.input("x", random_tensor({3, 1, 4, 5}, 1));
  g.node("Transpose", {"x"}, "a", {{"perm", Ints{1, 0, 2, 3}}});
  g.node("Transpose", {"a"}, "b", {{"perm", Ints{0, 1, 3, 2}}});
  g.node("Transpose", {"b"}, "y", {{"perm", Ints{1, 3, 2, 0}}}).output("y");
  check_melted(g, 0);
  GraphMaker turned;
  turned.input("x", random_tensor({3, 2, 4, 5}, 1));
  turned.node("Transpose", {"x"}, "a", {{"perm", Ints{1, 0, 2, 3}}});
  turned.node("Transpose", {"a"}, "y", {{"perm", Ints{0, 1, 3, 2}}}).output("y");
  check_melted(turned, 1);
}

TEST_CASE("a transposition stays where others read it, or where more would move after the layer") {
  GraphMaker g;
  g.input("x", random_tensor({4, 3}, 1)).constant("wide", random_tensor({6, 3, 4}, 2));
  g.node("Transpose", {"x"}, "t").node("Relu", {"t"}, "r").node("Add", {"t", "r"}, "y").output("y").output("t");
  check_melted(g, 1);
  GraphMaker grows;
  grows.input("x", random_tensor({4, 3}, 1)).constant("wide", random_tensor({6, 3, 4}, 2));
  grows.node("Transpose", {"x"}, "t").node("Add", {"t", "wide"}, "y").output("y");
  check_melted(grows, 1);
}

TEST_CASE("a transposition from input to output is still made") {
  GraphMaker g;
  g.input("x", random_tensor({4, 3}, 1));
  g.node("Transpose", {"x"}, "t").node("Transpose", {"t"}, "y").output("y");
  const Ran ran = run_graph(g, usable_isas().back(), true);
  CHECK(difference(ran.outputs[0], random_tensor({4, 3}, 1)) == 0);
}

}  // namespace
