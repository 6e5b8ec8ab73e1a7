#include "control_graphs.h"
#include "tests/layers/interpose.h"

using namespace tally;
using namespace tally::test;

namespace {

/// carried a' = a + x (captured), result a'·a'; the condition is passed on.
BodyMaker summing_body() {
  BodyMaker b;
  b.input("i").input("go").input("a").node("Add", {"a", "x"}, "next").node("Mul", {"next", "next"}, "square");
  return b.output("go").output("next").output("square");
}

GraphMaker summing_loop(int64_t trips) {
  GraphMaker g;
  g.constant("M", number(trips)).constant("go", truth(true)).input("x", floats({1, 2})).input("a0", floats({10, 20}));
  return control(g, "Loop", {"M", "go", "a0"}, {"last", "squares"}, {{"body", summing_body().made()}});
}

/// carried n' = n − 1 while that is not 0; s' = s·2. `count`: the trip count's name, or "".
GraphMaker countdown(const std::string& count, double start) {
  GraphMaker g;
  g.input("n0", floats({start})).input("s0", floats({1, 3})).constant("go", truth(true));
  BodyMaker b;
  b.input("i").input("c").input("n").input("s").constant("one", floats({1})).constant("two", floats({2}));
  b.node("Sub", {"n", "one"}, "n1").node("Cast", {"n1"}, "more", {{"to", kOnnxBool}}).node("Mul", {"s", "two"}, "s1");
  b.output("more").output("n1").output("s1");
  return control(g, "Loop", {count, "go", "n0", "s0"}, {"n", "s"}, {{"body", b.made()}});
}

}  // namespace

TEST_CASE("loop: carried tensors, captured ones, stacked results") {
  for (const Isa isa : usable_isas())
    for (const int64_t trips : {0, 1, 2, 3, 7}) {
      CAPTURE(trips);
      const Ran ran = run_graph(summing_loop(trips), isa);
      const auto t = static_cast<double>(trips);
      CHECK(ran.outputs[0].to_double() == std::vector<double>{10 + t, 20 + 2 * t});
      REQUIRE(ran.outputs[1].shape() == Shape{trips, 2});
      const std::vector<double> squares = ran.outputs[1].to_double();
      for (int64_t k = 0; k < trips; ++k) {
        const auto d = static_cast<double>(k + 1);
        CHECK(squares[static_cast<size_t>(2 * k)] == (10 + d) * (10 + d));
        CHECK(squares[static_cast<size_t>(2 * k + 1)] == (20 + 2 * d) * (20 + 2 * d));
      }
      REQUIRE(ran.plan->rows.size() == 1);
      CHECK(ran.plan->rows[0].varies.empty());
      const NodeEstimate& row = ran.plan->estimate.layers.at(0);
      CHECK(row.cost.elementwise == 4 * trips);
      CHECK(row.bytes_read == (16 + 8) * trips);  // a and x; next
      CHECK(row.bytes_written == 16 * trips);
      CHECK(row.output_elements == 2 + 2 * trips);
      CHECK(row.activation_elements == 4 * trips);
      CHECK(row.cost.coverage == Coverage::exact);
    }
}

TEST_CASE("loop: weights of the body are params once, its products times the trips") {
  for (const Isa isa : usable_isas()) {
    GraphMaker g;
    g.constant("M", number(5)).constant("w", float_tensor({7, 7}, random_values(49, 1)));
    g.input("h0", float_tensor({3, 7}, random_values(21, 2)));
    g.node("MatMul", {"h0", "w"}, "h1");
    BodyMaker b;
    b.input("i").input("c").input("h").constant("v", float_tensor({7, 7}, random_values(49, 3)));
    b.node("MatMul", {"h", "w"}, "p").node("MatMul", {"p", "v"}, "q").node("Tanh", {"q"}, "next");
    b.output("c").output("next");
    control(g, "Loop", {"M", "", "h1"}, {"h"}, {{"body", b.made()}});
    const Ran ran = run_graph(g, isa);
    const EstimateTotals& t = ran.plan->estimate.totals;
    CHECK(t.params == 98);
    CHECK(t.params_shared == 49);
    CHECK(t.macs == 3 * 49 * (1 + 2 * 5));
    CHECK(t.special == 21 * 5);
    CHECK(t.activation_elements_textbook == 21 * (1 + 2 * 5));
    CHECK(ran.executed().macs == t.macs);
    const Cost& cost = ran.plan->estimate.layers[1].cost;
    CHECK(cost.macs == 3 * 49 * 2 * 5);
    REQUIRE(!cost.formulas.empty());
    CHECK(cost.formulas[0].value == cost.macs);
    CHECK(t.bytes_io == 3 * 7 * 4 * 2 + 98 * 4);
  }
}

TEST_CASE("loop: data end it, and the gap says by how much") {
  for (const Isa isa : usable_isas())
    for (const double start : {1.0, 2.0, 5.0}) {
      const GraphMaker g = countdown("", start);
      LoadOptions options;
      options.isa = isa;
      Context context(CompiledModel(g.graph, registry(), options));
      context.feed(g.feeds);
      const Profile p = profile(context, {.repeats = 5, .seconds = 0, .warmup = 0, .measure_overhead = false});
      CHECK_MESSAGE(!p.broken_law, p.broken_law.value_or(""));
      CHECK(context.output_tensor(0).to_double() == std::vector<double>{0});
      CHECK(context.output_tensor(1).to_double() == std::vector<double>{std::pow(2, start), 3 * std::pow(2, start)});
      REQUIRE(p.rows.size() == 1);
      CHECK(p.rows[0].plan->varies == "iterations");
      // As planned one trip: Sub 8 B, Cast 4 B, Mul 12 B in weights and carried, 1 B of condition.
      CHECK(p.rows[0].gap.bytes_stored.contains("iterations") == (start != 1));
      const NodeEstimate& row = context.plan().estimate.layers.at(0);
      CHECK(row.cost.coverage == Coverage::unknown);
      CHECK(contains(row.cost.reason, "trip count"));
    }
}

TEST_CASE("loop: a trip count that data give, and one that bounds a condition") {
  GraphMaker g = countdown("M", 5);
  g.input("M", number(3));
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{2});
  for (const int64_t none : {0, -4}) {
    g.feeds["M"] = number(none);
    CHECK(run_graph(g, best_isa()).outputs[1].to_double() == std::vector<double>{1, 3});
  }
  g.feeds["M"] = number(INT64_MAX);
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{0});
  GraphMaker constant = countdown("M", 5);
  constant.constant("M", number(2));
  CHECK(run_graph(constant, best_isa()).outputs[0].to_double() == std::vector<double>{3});
}

TEST_CASE("loop: conditions known at planning") {
  const auto last = [](GraphMaker g) { return run_graph(g, best_isa()).outputs[0].to_double(); };
  GraphMaker never = summing_loop(3);
  never.graph.initializers["go"] = truth(false);
  const Ran ran = run_graph(never, best_isa());
  CHECK(ran.outputs[0].to_double() == std::vector<double>{10, 20});
  CHECK(ran.outputs[1].shape() == Shape{0, 2});
  BodyMaker once;
  once.input("i").input("go").input("a").constant("stop", truth(false)).node("Add", {"a", "x"}, "next");
  once.output("stop").output("next");
  GraphMaker g;
  g.constant("M", number(9)).constant("go", truth(true)).input("x", floats({1, 2})).input("a0", floats({10, 20}));
  CHECK(last(control(g, "Loop", {"M", "go", "a0"}, {"last"}, {{"body", once.made()}})) == std::vector<double>{11, 22});
  // ONNX: without a condition the body's counts for nothing.
  g.graph.nodes[0].inputs[1] = "";
  CHECK(last(g) == std::vector<double>{19, 38});
}

TEST_CASE("loop: the number of the trip") {
  GraphMaker g;
  g.constant("M", number(4)).input("a0", number(0));
  BodyMaker b;
  b.input("i").input("c").input("a").node("Add", {"a", "i"}, "sum").node("Mul", {"i", "i"}, "square");
  b.output("c").output("sum").output("square");
  control(g, "Loop", {"M", "", "a0"}, {"sum", "squares"}, {{"body", b.made()}});
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_int64() == std::vector<int64_t>{6});
  CHECK(ran.outputs[1].to_int64() == std::vector<int64_t>{0, 1, 4, 9});
}

TEST_CASE("loop: carried shapes may change where the trips are known") {
  for (const Isa isa : usable_isas()) {
    GraphMaker g;
    g.constant("M", number(3)).input("a0", floats({1, 2})).input("x", floats({7}));
    BodyMaker b;
    b.input("i").input("c").input("a").node("Concat", {"a", "x"}, "longer", {{"axis", int64_t{0}}});
    b.output("c").output("longer").output("x");
    control(g, "Loop", {"M", "", "a0"}, {"all", "xs"}, {{"body", b.made()}});
    const Ran ran = run_graph(g, isa);
    CHECK(ran.outputs[0].to_double() == std::vector<double>{1, 2, 7, 7, 7});
    CHECK(ran.outputs[1].to_double() == std::vector<double>{7, 7, 7});
    CHECK(ran.plan->estimate.layers[0].bytes_written == (3 + 4 + 5) * 4);
    GraphMaker open = g;
    open.graph.initializers.erase("M");
    open.input("M", number(3));
    CHECK(run_graph(open, isa).outputs[0].shape() == Shape{5});  // bound by value, for the stack
  }
}

TEST_CASE("loop: shapes that follow from the trip's number and carried integers") {
  GraphMaker g;
  g.constant("M", number(100)).constant("go", truth(true)).constant("n0", number(3)).input("a0", floats({1, 2, 3, 4}));
  BodyMaker b;  // the shape is [n, −1]; n falls by 1, and the loop ends at n = 0
  b.input("i").input("go").input("n").input("a").constant("one", number(1)).constant("rest", Tensor::of_int64({-1}));
  b.constant("axis", Tensor::of_int64({0})).constant("four", Tensor::of_int64({4}));
  b.node("Sub", {"n", "one"}, "less").node("Cast", {"less"}, "more", {{"to", kOnnxBool}});
  b.node("Mul", {"i", "one"}, "same").node("Sub", {"same", "i"}, "zero").node("Add", {"zero", "one"}, "first");
  b.node("Unsqueeze", {"first", "axis"}, "rows").node("Concat", {"rows", "rest"}, "shape", {{"axis", int64_t{0}}});
  b.node("Reshape", {"a", "shape"}, "reshaped").node("Add", {"reshaped", "reshaped"}, "doubled");
  b.node("Reshape", {"doubled", "four"}, "flat").output("more").output("less").output("flat").output("doubled");
  control(g, "Loop", {"M", "go", "n0", "a0"}, {"n", "a", "all"}, {{"body", b.made()}});
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_int64() == std::vector<int64_t>{0});
  CHECK(ran.outputs[1].to_double() == std::vector<double>{8, 16, 24, 32});
  CHECK(ran.outputs[2].shape() == Shape{3, 1, 4});
}

TEST_CASE("loop: an If within, a loop within, names hidden and captured through both") {
  GraphMaker g;
  g.constant("M", number(3)).input("c", truth(true)).input("x", floats({1, 2})).input("a0", floats({0, 0}));
  BodyMaker add, subtract;
  add.node("Add", {"a", "x"}, "t").output("t");
  subtract.node("Sub", {"a", "x"}, "t").output("t");
  BodyMaker inner;  // its own `a` hides the outer one; x is captured through two graphs
  inner.input("i").input("go").input("a").node("Add", {"a", "x"}, "t").output("go").output("t");
  BodyMaker outer;
  outer.input("i").input("go").input("a").constant("M2", number(2));
  outer.node("If", {"c"}, "t", {{"then_branch", add.made()}, {"else_branch", subtract.made()}});
  outer.node("Loop", {"M2", "", "t"}, "u", {{"body", inner.made()}}).output("go").output("u");
  control(g, "Loop", {"M", "", "a0"}, {"a"}, {{"body", outer.made()}});
  for (const Isa isa : usable_isas()) {
    GraphMaker run = g;
    CHECK(run_graph(run, isa).outputs[0].to_double() == std::vector<double>{9, 18});
    run.feeds["c"] = truth(false);
    CHECK(run_graph(run, isa).outputs[0].to_double() == std::vector<double>{3, 6});
  }
}

TEST_CASE("loop: a branch within makes it vary as the branch does") {
  GraphMaker g;
  g.constant("M", number(3)).input("c", truth(false)).input("a0", floats({1, 2}));
  BodyMaker same, doubled, body;
  same.node("Identity", {"a"}, "t").output("t");
  doubled.node("Add", {"a", "a"}, "s").node("Add", {"s", "a"}, "t").output("t");
  body.input("i").input("go").input("a");
  body.node("If", {"c"}, "t", {{"then_branch", doubled.made()}, {"else_branch", same.made()}}).output("go").output("t");
  control(g, "Loop", {"M", "", "a0"}, {"a"}, {{"body", body.made()}});
  Context context(CompiledModel(g.graph, registry(), {}));
  for (const bool taken : {true, false}) {
    g.feeds["c"] = truth(taken);
    context.feed(g.feeds);
    const Profile p = profile(context, {.repeats = 1, .warmup = 0});
    CHECK_MESSAGE(!p.broken_law, p.broken_law.value_or(""));
    CHECK(p.rows[0].plan->varies == "branch");
    CHECK(context.output_tensor(0).to_double()[0] == (taken ? 27 : 1));
    CHECK(p.rows[0].gap.bytes_stored.contains("branch") == !taken);
  }
}

TEST_CASE("loop: one of constants alone is folded") {
  GraphMaker g = summing_loop(4);
  g.graph.inputs.clear();
  g.feeds.clear();
  g.constant("x", floats({1, 2})).constant("a0", floats({0, 0}));
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_double() == std::vector<double>{4, 8});
  CHECK(ran.plan->estimate.layers.empty());
}

TEST_CASE("loop: no allocation in a run") {
  if (!can_watch_allocations()) {
    MESSAGE("skipped: a sanitizer owns the allocator");
    return;
  }
  for (const GraphMaker& g : {summing_loop(5), countdown("", 4)}) {
    Context context(CompiledModel(g.graph, registry(), {}));
    context.feed(g.feeds);
    AllocationWatch watch;
    context.run();
    CHECK(watch.allocations() == 0);
    CHECK(watch.frees() == 0);
  }
}

TEST_CASE("loop: trips are bounded") {
  constexpr int64_t kHuge = 1'000'000'000'000'000'000;
  GraphMaker g;  // no stack: its memory is not what stops it
  g.constant("M", number(kHuge)).constant("go", truth(true)).input("x", floats({1})).input("a0", floats({1}));
  BodyMaker b;
  b.input("i").input("go").input("a").node("Add", {"a", "x"}, "next").output("go").output("next");
  control(g, "Loop", {"M", "go", "a0"}, {"a"}, {{"body", b.made()}});
  CHECK(contains(error_of(g), "Loop 'the Loop': 1000000000000000000 trips must be at most 100000000000"));
  g.graph.initializers["M"] = number(1000);
  CHECK(error_of(g, 960'000) == "");
  CHECK(error_of(g, 959'999) ==
        "Loop 'the Loop': 1000 trips must be worth at most 959999 MACs, each at least 960 (--max-macs)");
  CHECK(contains(error_of(g, 999), "Loop 'the Loop': 1000 trips must be at most 999 (--max-macs)"));
  // Within each other, their trips multiply.
  BodyMaker outer;
  outer.input("i").input("go").input("a").node("Loop", {"M", "go", "a"}, "t", {{"body", b.made()}});
  outer.output("go").output("t");
  g.graph.nodes[0].attributes["body"] = outer.made();
  CHECK(contains(error_of(g, 1'000'000), "Loop 'the Loop': 1001000 trips"));
  // Data decide: the run is ended, and says so.
  CHECK(error_of(countdown("", 7), 1'000'000) == "");
  CHECK(error_of(countdown("", 0.5), 1'000'000) ==
        "Loop 'the Loop': trips worth more than 1000000 MACs must be fewer (--max-macs)");
  GraphMaker bare;
  bare.input("a0", floats({1})).input("x", floats({1}));
  CHECK(
      contains(error_of(control(bare, "Loop", {"", "", "a0"}, {"a"}, {{"body", b.made()}})), "trips must be at most"));
}

TEST_CASE("loop: bodies typed for each trip are bounded") {
  GraphMaker g;
  g.constant("M", number(10'000'000)).input("a0", floats({1})).input("x", floats({1}));
  BodyMaker b;
  b.input("i").input("c").input("a").node("Concat", {"a", "x"}, "longer", {{"axis", int64_t{0}}});
  b.output("c").output("longer");
  control(g, "Loop", {"M", "", "a0"}, {"all"}, {{"body", b.made()}});
  CHECK(contains(error_of(g), "must be fewer"));
}

TEST_CASE("loop: errors name the node, what was found and what must be") {
  const auto made = [](const BodyMaker& b, std::vector<std::string> outputs = {"y"}) {
    GraphMaker g;
    g.constant("M", number(2)).constant("go", truth(true)).input("x", floats({1, 2})).input("n", number(1));
    return error_of(control(g, "Loop", {"M", "go", "x"}, std::move(outputs), {{"body", b.made()}}));
  };
  const auto start = [] { return BodyMaker().input("i").input("go").input("a"); };
  CHECK(made(start().output("go").output("a")) == "");
  CHECK(contains(made(BodyMaker().input("i").output("i")), "Loop 'the Loop': a body of 1 inputs must have 3"));
  CHECK(contains(made(start().output("go")), "a body of 1 outputs must have at least 2"));
  CHECK(contains(made(start().output("go").output("a"), {"y", "z"}), "2 outputs must be at most 1"));
  CHECK(
      contains(made(start().output("go").output("n")), "carried tensor 0 of type int64 after a trip must be float32"));
  CHECK(contains(made(start().output("a").output("a")), "condition of the body of type float32 must be bool"));
  CHECK(contains(made(start().node("Nonsense", {"a"}, "t").output("go").output("t")), "Nonsense 't'"));
  CHECK(contains(made(start().output("go").output("nowhere")), "'nowhere'"));
  // What is stacked must have a known number of slices.
  GraphMaker g = countdown("M", 3);
  g.constant("M", number(9));
  auto stacking = std::make_shared<Graph>(*g.graph.nodes[0].get_graph("body"));
  stacking->outputs.push_back({"s1", DType::undefined, {}});
  g.graph.nodes[0].attributes["body"] = std::shared_ptr<const Graph>(stacking);
  g.graph.nodes[0].outputs.push_back("stack");
  g.output("stack");
  CHECK(contains(error_of(g), "a condition that depends on data; must be constant"));
}

TEST_CASE("loop: a body that reads what its loop gives is a cycle") {
  GraphMaker g;
  g.constant("M", number(2)).input("x", floats({1, 2}));
  BodyMaker b;
  b.input("i").input("go").input("a").node("Add", {"a", "after"}, "t").output("go").output("t");
  control(g, "Loop", {"M", "", "x"}, {"y"}, {{"body", b.made()}});
  g.node("Relu", {"y"}, "after");
  CHECK(contains(error_of(g), "depends on this node's own output"));
}

TEST_CASE("loop: bodies within bodies, deep down") {
  BodyMaker b;
  b.input("i").input("go").input("a").node("Add", {"a", "x"}, "t").output("go").output("t");
  for (int depth = 0; depth < 60; ++depth) {
    BodyMaker outer;
    outer.input("i").input("go").input("a").constant("M", number(1));
    outer.node("Loop", {"M", "", "a"}, "t", {{"body", b.made()}}).output("go").output("t");
    b = outer;
  }
  GraphMaker g;
  g.constant("M", number(2)).input("x", floats({1, 2}));
  control(g, "Loop", {"M", "", "x"}, {"y"}, {{"body", b.made()}});
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{3, 6});
}
