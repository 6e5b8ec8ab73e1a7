// NonZero, Unique, NonMaxSuppression: results whose shape depends on data, known when a plan is made.
#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

TEST_CASE("NonZero: positions in order, of constants and of bound inputs") {
  for (const bool constant : {true, false}) {
    const Tensor x = float_tensor({2, 3}, {0, 4, 0, -1, 0, 2});
    GraphMaker g;
    constant ? g.constant("x", x) : g.input("x", x);
    g.node("NonZero", {"x"}, "y").output("y");
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.outputs[0].shape() == Shape{2, 3});
    CHECK(whole(ran.outputs[0]) == Ints{0, 1, 1, 1, 0, 2});
    CHECK(ran.plan->estimate.layers.empty());
  }
}

TEST_CASE("NonZero of what is not known when a plan is made is an error at load") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {4})).node("NonZero", {"x"}, "y").output("y");
  const Binding binding;
  try {
    type_graph(g.graph, registry(), binding);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "NonZero 'y': input 'x' must be constant or bound before planning");
  }
  Binding lenient;
  lenient.allow_unknown = true;
  const Estimate estimate = estimate_graph(type_graph(g.graph, registry(), lenient));
  CHECK(estimate.layers.at(0).cost.coverage == Coverage::unknown);
  CHECK(estimate.layers[0].cost.reason == "what its input 'x' holds is not known");
}

std::vector<Ints> unique(const Tensor& x, std::map<std::string, Attribute> attributes) {
  GraphMaker g;
  g.input("x", x).node("Unique", {"x"}, "y", std::move(attributes));
  g.graph.nodes[0].outputs = {"y", "first", "member", "count"};
  g.output("y").output("first").output("member").output("count");
  std::vector<Ints> all;
  for (const Tensor& t : run_graph(g, best_isa()).outputs) all.push_back(whole(t));
  return all;
}

TEST_CASE("Unique: sorted or in order of place, of elements or slices") {
  const Tensor x = float_tensor({6}, {2, 1, 1, 3, 4, 3});
  CHECK(unique(x, {}) == std::vector<Ints>{{1, 2, 3, 4}, {1, 0, 3, 4}, {1, 0, 0, 2, 3, 2}, {2, 1, 2, 1}});
  CHECK(unique(x, {{"sorted", int64_t{0}}}) ==
        std::vector<Ints>{{2, 1, 3, 4}, {0, 1, 3, 4}, {0, 1, 1, 2, 3, 2}, {1, 2, 2, 1}});
  const Tensor rows = Tensor::of_int64({1, 0, 0, 1, 0, 0, 2, 3, 4}).reshaped({3, 3});
  CHECK(unique(rows, {{"axis", int64_t{0}}}) == std::vector<Ints>{{1, 0, 0, 2, 3, 4}, {0, 2}, {0, 0, 1}, {2, 1}});
  const Tensor columns = Tensor::of_int64({1, 1, 0, 5, 5, 3}).reshaped({2, 3});
  CHECK(unique(columns, {{"axis", int64_t{-1}}}) == std::vector<Ints>{{0, 1, 3, 5}, {2, 0}, {1, 1, 0}, {1, 2}});
  CHECK(unique(float_tensor({3}, {NAN, 1, NAN}), {})[3] == Ints{1, 2});
}

Ints select(const std::vector<double>& boxes, const std::vector<double>& scores, int64_t most, float overlap,
            float least, int64_t classes = 1) {
  const auto n = static_cast<int64_t>(boxes.size() / 4);
  GraphMaker g;
  g.input("b", float_tensor({1, n, 4}, boxes)).input("s", float_tensor({1, classes, n}, scores));
  g.constant("m", Tensor::of_int64({most})).constant("o", Tensor::scalar(overlap)).constant("l", Tensor::scalar(least));
  g.node("NonMaxSuppression", {"b", "s", "m", "o", "l"}, "y").output("y");
  return whole(run_graph(g, best_isa()).outputs[0]);
}

TEST_CASE("NonMaxSuppression: overlap, scores, limits, flipped corners") {
  // Boxes 0 and 1 share 9 of 11 parts; 2 lies apart; 3 is 2 with its corners exchanged.
  const std::vector<double> boxes = {0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11, 1, 11, 0, 10};
  const std::vector<double> scores = {0.9, 0.75, 0.6, 0.5};
  CHECK(select(boxes, scores, 9, 0.5f, 0) == Ints{0, 0, 0, 0, 0, 2});
  CHECK(select(boxes, scores, 9, 0.9f, 0) == Ints{0, 0, 0, 0, 0, 1, 0, 0, 2});
  CHECK(select(boxes, scores, 1, 0.5f, 0) == Ints{0, 0, 0});
  CHECK(select(boxes, scores, 9, 0.5f, 0.7f) == Ints{0, 0, 0});
  CHECK(select(boxes, scores, 0, 0.5f, 0).empty());
  CHECK(select(boxes, {0, 0, 0, 1, NAN, 0.5, 0, 0}, 1, 0.5f, 0.1f, 2) == Ints{0, 0, 3, 0, 1, 1});
}

}  // namespace
