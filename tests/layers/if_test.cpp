#include "control_graphs.h"

using namespace tally;
using namespace tally::test;

namespace {

/// then: x·2 (captured), else: (x + w)·x, two nodes.
GraphMaker two_branches(Tensor condition, bool constant) {
  GraphMaker g;
  if (constant)
    g.constant("c", std::move(condition));
  else
    g.input("c", std::move(condition));
  g.input("x", floats({1, -2, 3}));
  BodyMaker then_branch, else_branch;
  then_branch.constant("w", floats({2, 2, 2})).node("Mul", {"x", "w"}, "then_y").output("then_y");
  else_branch.constant("w", floats({10, 20, 30})).node("Add", {"x", "w"}, "sum").node("Mul", {"sum", "x"}, "else_y");
  else_branch.output("else_y");
  return control(g, "If", {"c"}, {"y"}, {{"then_branch", then_branch.made()}, {"else_branch", else_branch.made()}});
}

}  // namespace

TEST_CASE("if: a condition known at planning leaves the nodes of its branch") {
  for (const bool condition : {true, false}) {
    const Ran ran = run_graph(two_branches(truth(condition), true), best_isa());
    CHECK(ran.outputs[0].to_double() == (condition ? std::vector<double>{2, -4, 6} : std::vector<double>{11, -36, 99}));
    REQUIRE(ran.plan->estimate.layers.size() == (condition ? 1 : 2));
    CHECK(ran.plan->estimate.layers[0].op == (condition ? "Mul" : "Add"));
    CHECK(ran.plan->estimate.layers[0].scope == "/the If");
    CHECK(ran.plan->estimate.totals.params == 3);
  }
}

TEST_CASE("if: both branches are planned, one is run, the costlier is what it should cost") {
  for (const Isa isa : usable_isas()) {
    const GraphMaker g = two_branches(truth(true), false);
    LoadOptions options;
    options.isa = isa;
    Context context(CompiledModel(g.graph, registry(), options));
    for (const bool condition : {true, false, true}) {
      context.feed({{"c", truth(condition)}, {"x", floats({1, -2, 3})}});
      const Profile p = profile(context, {.repeats = 5, .seconds = 0, .warmup = 0, .measure_overhead = false});
      CHECK_MESSAGE(!p.broken_law, p.broken_law.value_or(""));
      CHECK(context.output_tensor(0).to_double() ==
            (condition ? std::vector<double>{2, -4, 6} : std::vector<double>{11, -36, 99}));
      REQUIRE(p.rows.size() == 1);
      CHECK(p.rows[0].plan->varies == "branch");
      CHECK(p.rows[0].gap.bytes_loaded.contains("branch") == condition);
    }
    const NodeEstimate& row = context.plan().estimate.layers.at(0);
    CHECK(row.cost.elementwise == 6);  // Add 3, Mul 3
    CHECK(row.params == 6);            // of both branches
    CHECK(row.cost.coverage == Coverage::exact);
    CHECK(row.bytes_read == 36);
    CHECK(row.bytes_weights == 12);
    CHECK(row.bytes_written == 24);
  }
}

TEST_CASE("if: branches may give captured values and constants as they are") {
  GraphMaker g;
  g.input("c", truth(false)).input("x", floats({1, 2}));
  g.node("Relu", {"x"}, "r");
  BodyMaker then_branch, else_branch;
  then_branch.constant("k", floats({5, 6})).output("k").output("r");
  else_branch.output("r").output("r");
  control(g, "If", {"c"}, {"a", "b"}, {{"then_branch", then_branch.made()}, {"else_branch", else_branch.made()}});
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{1, 2});
  g.feeds["c"] = truth(true);
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_double() == std::vector<double>{5, 6});
  CHECK(ran.outputs[1].to_double() == std::vector<double>{1, 2});
}

TEST_CASE("if: an inner name hides the same name outside, and nested branches see through two graphs") {
  GraphMaker g;
  g.constant("yes", truth(true)).input("c", truth(true)).input("x", floats({1, 2})).constant("w", floats({100, 100}));
  BodyMaker inner, other;
  inner.node("Add", {"x", "w"}, "t").output("t");
  other.output("x");
  BodyMaker then_branch, else_branch;
  then_branch.constant("w", floats({3, 4}));
  then_branch.node("If", {"yes"}, "t", {{"then_branch", inner.made()}, {"else_branch", other.made()}}).output("t");
  else_branch.node("Mul", {"x", "w"}, "t").output("t");
  control(g, "If", {"c"}, {"t"}, {{"then_branch", then_branch.made()}, {"else_branch", else_branch.made()}});
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{4, 6});
  g.feeds["c"] = truth(false);
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{100, 200});
}

TEST_CASE("if: a node of constants alone is folded") {
  GraphMaker g;
  g.input("x", floats({1, 2})).constant("c", truth(false)).constant("a", floats({1, 1})).constant("b", floats({2, 2}));
  BodyMaker then_branch, else_branch;
  then_branch.output("a");
  else_branch.node("Add", {"b", "b"}, "d").output("d");
  g.graph.nodes.push_back({"n",
                           "If",
                           "",
                           "",
                           {"c"},
                           {"k"},
                           {{"then_branch", then_branch.made()}, {"else_branch", else_branch.made()}},
                           17});
  g.node("Add", {"x", "k"}, "y").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_double() == std::vector<double>{5, 6});
  CHECK(ran.plan->estimate.layers.size() == 1);
}

TEST_CASE("if: errors name the node, what was found and what must be") {
  const auto made = [](BodyMaker then_branch, BodyMaker else_branch) {
    GraphMaker g;
    g.input("c", truth(true)).input("x", floats({1, 2}));
    return error_of(
        control(g, "If", {"c"}, {"y"}, {{"then_branch", then_branch.made()}, {"else_branch", else_branch.made()}}));
  };
  const auto same = [] { return BodyMaker().node("Relu", {"x"}, "r").output("r"); };
  CHECK(made(same(), same()) == "");
  const std::string shapes = made(same(), BodyMaker().constant("k", floats({1, 2, 3})).output("k"));
  CHECK(contains(shapes, "If 'the If': output 0 is float32 2 or float32 3; must be the same"));
  CHECK(contains(made(same(), BodyMaker().node("Nonsense", {"x"}, "r").output("r")), "Nonsense 'r'"));
  CHECK(contains(made(same(), BodyMaker()), "else_branch with 0 outputs must have 1"));
  CHECK(contains(made(same(), BodyMaker().input("i").output("i")), "else_branch with 1 inputs must have none"));
  GraphMaker g = two_branches(floats({1}), false);
  CHECK(contains(error_of(g), "If 'the If': condition of type float32 must be bool"));
  GraphMaker bare;
  bare.input("c", truth(true));
  CHECK(contains(error_of(control(bare, "If", {"c"}, {"y"}, {})), "If 'the If': no then_branch; must have one"));
}
