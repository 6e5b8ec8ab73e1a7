#include "windows.h"

namespace {

using namespace tally;
using namespace tally::test;

const std::map<std::string, Attribute> kTwos{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};

TEST_CASE("MaxUnpool puts back what MaxPool took, one to three axes") {
  const std::vector<WindowCase> cases[] = {
      {{.in = 12, .kernel = 3, .stride = 3}},
      {{.in = 6, .kernel = 2, .stride = 2}, {.in = 8, .kernel = 2, .stride = 2}},
      {{.in = 5, .kernel = 3, .stride = 2, .begin = 1, .end = 1}, {.in = 4, .kernel = 2, .stride = 2}},
      {{.in = 4, .kernel = 2, .stride = 2}, {.in = 3, .kernel = 3}, {.in = 6, .kernel = 3, .stride = 3}},
  };
  for (const std::vector<WindowCase>& axes : cases) {
    const Shape shape = window_input(2, 3, axes);
    const std::vector<double> x = random_values(element_count(shape), 8);
    std::map<std::string, Attribute> attributes = window_attributes(axes);
    GraphMaker g;
    g.input("x", float_tensor(shape, x));
    g.node("MaxPool", {"x"}, "p", attributes, 12);
    g.graph.nodes[0].outputs.push_back("at");
    attributes.erase("dilations");
    attributes.erase("ceil_mode");
    g.node("MaxUnpool", {"p", "at"}, "y", attributes, 11).output("y");
    const Ran ran = run_graph(g, best_isa());
    REQUIRE(ran.outputs[0].shape() == shape);
    std::vector<double> expected(x.size(), 0);
    const std::vector<reference::Window> windows = reference::windows(6, axes, x);
    for (size_t o = 0; o < windows.size(); ++o) {
      size_t best = 0;
      for (size_t i = 0; i < windows[o].values.size(); ++i)
        if (windows[o].values[i] > windows[o].values[best]) best = i;
      const size_t at = o / (windows.size() / 6) * (x.size() / 6) + static_cast<size_t>(windows[o].row_major[best]);
      expected[at] = x[at];
    }
    CHECK(ran.outputs[0].to_double() == expected);
  }
}

TEST_CASE("MaxUnpool: output_shape goes on with zeros; other types") {
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::i8}) {
    GraphMaker g = one_node("MaxUnpool",
                            {typed_tensor(type, {1, 1, 2, 2}, {1, 2, 3, 4}),
                             Tensor::of<int64_t>(DType::i64, {1, 1, 2, 2}, Ints{5, 7, 13, 15})},
                            kTwos, 11);
    g.graph.nodes[0].inputs.push_back("s");
    g.constant("s", Tensor::of_int64({1, 1, 5, 5}));
    const Ran ran = run_graph(g, best_isa());
    REQUIRE(ran.outputs[0].shape() == Shape{1, 1, 5, 5});
    std::vector<double> expected(25, 0);
    expected[6] = 1, expected[8] = 2, expected[16] = 3, expected[18] = 4;
    CHECK(ran.outputs[0].to_double() == expected);
  }
}

TEST_CASE("MaxUnpool: indices that point outside write nowhere") {
  GraphMaker g =
      one_node("MaxUnpool",
               {float_tensor({1, 1, 1, 3}, {1, 2, 3}), Tensor::of<int64_t>(DType::i64, {1, 1, 1, 3}, Ints{-1, 12, 3})},
               kTwos, 11);
  LoadOptions options;
  options.isa = best_isa();
  Context context(CompiledModel(g.graph, registry(), options));
  context.feed(g.feeds);
  context.run();
  std::vector<double> expected(12, 0);
  expected[3] = 3;
  CHECK(context.output_tensor(0).to_double() == expected);
}

TEST_CASE("MaxUnpool: errors name node, found and required") {
  const Tensor x(DType::f32, {1, 1, 2, 2}), at(DType::i64, {1, 1, 2, 2});
  const auto error_with = [&](const Ints& shape) {
    GraphMaker g = one_node("MaxUnpool", {x, at}, kTwos);
    g.graph.nodes[0].inputs.push_back("s");
    return error_text(g.constant("s", Tensor::of_int64(shape)));
  };
  CHECK(error_with({1, 1, 4, 4}) == "no error");
  CHECK(error_with({1, 1, 3, 4}) == "MaxUnpool 'y': output_shape[2]=3 must be at least 4");
  CHECK(error_with({1, 2, 4, 4}) == "MaxUnpool 'y': output_shape[1]=2 must be 1");
  CHECK(error_with({4, 4}) == "MaxUnpool 'y': output_shape of type int64 and shape 2 must be int64 of shape 4");
  CHECK(error_with({1, 1, int64_t{1} << 40, int64_t{1} << 40}) != "no error");
  CHECK(error_text(one_node("MaxUnpool", {x, Tensor(DType::i64, {1, 1, 2, 3})}, kTwos)) ==
        "MaxUnpool 'y': I of shape 1x1x2x3 must be 1x1x2x2 like X");
  CHECK(error_text(one_node("MaxUnpool", {x, Tensor(DType::i32, {1, 1, 2, 2})}, kTwos)) ==
        "MaxUnpool 'y': I of type int32 must be int64");
  auto pads = kTwos;
  pads["pads"] = Ints{3, 0, 3, 0};
  CHECK(error_text(one_node("MaxUnpool", {x, at}, pads)) ==
        "MaxUnpool 'y': pads of 6 on spatial axis 0 must be at most 4");
  CHECK(error_text(one_node("MaxUnpool", {x, at},
                            {{"kernel_shape", Ints{1, 1}}, {"strides", Ints{int64_t{1} << 31, int64_t{1} << 31}}})) !=
        "no error");
}

}  // namespace
