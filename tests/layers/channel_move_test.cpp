// Shuffles of channels, and slices of what they make: one layer each, the same bits, no reorder between convolutions.
#include "pattern_run.h"

namespace {

using namespace tally;
using namespace tally::test;

/// Channels of x [2, C, 3, 5] in `groups` groups, by turns.
GraphMaker& add_shuffle(GraphMaker& g, const std::string& x, int64_t channels, int64_t groups) {
  g.constant("groups", Tensor::of_int64({2, groups, channels / groups, 3, 5}));
  g.constant("merged", Tensor::of_int64({2, -1, 3, 5})).node("Reshape", {x, "groups"}, "apart");
  g.node("Transpose", {"apart"}, "turned", {{"perm", Ints{0, 2, 1, 3, 4}}});
  return g.node("Reshape", {"turned", "merged"}, "shuffled");
}

void add_slice(GraphMaker& g, const std::string& y, int64_t begin, int64_t end, int64_t axis = 1) {
  g.constant(y + "_b", Tensor::of_int64({begin})).constant(y + "_e", Tensor::of_int64({end}));
  g.constant(y + "_a", Tensor::of_int64({axis})).node("Slice", {"shuffled", y + "_b", y + "_e", y + "_a"}, y);
  g.output(y);
}

GraphMaker input(int64_t channels) {
  GraphMaker g;
  return g.input("x", random_tensor({2, channels, 3, 5}, 1));
}

TEST_CASE("channel moves: a shuffle is one layer") {
  for (const auto& [channels, groups] : {std::pair<int64_t, int64_t>{58, 2}, {12, 3}, {8, 4}, {32, 2}}) {
    GraphMaker g = input(channels);
    check_rewrite(add_shuffle(g, "x", channels, groups).output("shuffled"), {{"apart", "turned", "shuffled"}}, 0);
  }
  GraphMaker read = input(12);
  CHECK(count_of(add_shuffle(read, "x", 12, 2).output("shuffled").output("turned"), "Transpose", 0) == 1);
}

TEST_CASE("channel moves: slices read past the shuffle, unless others need it whole") {
  GraphMaker g = input(24);
  add_shuffle(g, "x", 24, 2);
  add_slice(g, "low", 0, 12);
  add_slice(g, "high", 12, 24);
  check_rewrite(g, {{"low"}, {"apart", "turned", "shuffled", "high"}}, 0);

  GraphMaker whole = input(24);
  add_shuffle(whole, "x", 24, 2).output("shuffled");
  add_slice(whole, "low", 0, 12);
  check_rewrite(whole, {{"apart", "turned", "shuffled"}, {"low"}}, 0);

  GraphMaker odd = input(24);  // 5 channels are no whole pairs
  add_shuffle(odd, "x", 24, 2);
  add_slice(odd, "low", 0, 5);
  check_rewrite(odd, {{"apart", "turned", "shuffled"}, {"low"}}, 0);

  GraphMaker rows = input(24);
  add_shuffle(rows, "x", 24, 2);
  add_slice(rows, "low", 0, 2, 2);
  check_rewrite(rows, {{"apart", "turned", "shuffled"}, {"low"}}, 0);
}

TEST_CASE("channel moves: between convolutions nothing is reordered") {
  GraphMaker g = input(32);
  g.constant("w1", random_tensor({64, 32, 3, 3}, 2)).constant("w2", random_tensor({48, 64, 3, 3}, 3));
  g.node("Conv", {"x", "w1"}, "first", {{"pads", Ints{1, 1, 1, 1}}});
  add_shuffle(g, "first", 64, 2).node("Conv", {"shuffled", "w2"}, "y", {{"pads", Ints{1, 1, 1, 1}}}).output("y");
  const Ran ran = run_graph(g, best_isa());
  int reorders = 0;
  for (const PlanRow& row : ran.plan->rows)
    reorders += row.name.find("first") != std::string::npos && row.nodes.empty();
  CHECK(reorders == 0);
  CHECK(difference(ran.outputs[0], run_graph(g, best_isa(), false).outputs[0]) <= 1e-4);
}

}  // namespace
