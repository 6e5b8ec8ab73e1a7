// Identity, Dropout, Flatten, Reshape, Squeeze, Unsqueeze: other names for the same bytes.
#include "layer_run.h"

namespace {

using namespace tally;
using namespace tally::test;
using Ints = std::vector<int64_t>;

std::string error_of(const GraphMaker& made) {
  try {
    run_graph(made, Isa::scalar);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Runs x → Relu → view → Relu → y, so that the view stands between two layers that run.
Ran run_view(const Shape& shape, const std::string& op, std::map<std::string, Attribute> attributes,
             const Ints* operand, int opset = 17) {
  GraphMaker g;
  std::vector<double> x = random_values(element_count(shape), 1);
  for (double& v : x) v = std::abs(v);
  g.input("x", float_tensor(shape, x)).node("Relu", {"x"}, "a");
  std::vector<std::string> inputs = {"a"};
  if (operand) {
    g.constant("operand", Tensor::of_int64(*operand));
    inputs.push_back("operand");
  }
  g.node(op, inputs, "v", std::move(attributes), opset).node("Relu", {"v"}, "y").output("y");
  Ran ran = run_graph(g, best_isa());
  check_close(ran.outputs[0], x, std::vector<double>(x.size(), 1.0), 0);
  const NodeEstimate& view = ran.plan->estimate.layers[1];
  CHECK(view.cost.view);
  CHECK(view.bytes_compulsory() == 0);
  CHECK(view.operations() == 0);
  CHECK(ran.plan->estimate.totals.activation_elements == 2 * static_cast<int64_t>(x.size()));
  CHECK(ran.executed().bytes_loaded == 8 * static_cast<int64_t>(x.size()));
  return ran;
}

Shape shape_of(const Ran& ran) { return ran.outputs[0].shape(); }

TEST_CASE("Flatten: every axis") {
  const Shape x = {2, 3, 4, 5};
  CHECK(shape_of(run_view(x, "Flatten", {}, nullptr)) == Shape{2, 60});
  CHECK(shape_of(run_view(x, "Flatten", {{"axis", int64_t{0}}}, nullptr)) == Shape{1, 120});
  CHECK(shape_of(run_view(x, "Flatten", {{"axis", int64_t{4}}}, nullptr)) == Shape{120, 1});
  CHECK(shape_of(run_view(x, "Flatten", {{"axis", int64_t{-1}}}, nullptr)) == Shape{24, 5});
}

TEST_CASE("Reshape: zero, minus one, attribute before opset 5") {
  const Shape x = {2, 3, 4};
  Ints wanted = {0, -1};
  CHECK(shape_of(run_view(x, "Reshape", {}, &wanted)) == Shape{2, 12});
  wanted = {4, 3, 2, 1};
  CHECK(shape_of(run_view(x, "Reshape", {}, &wanted)) == Shape{4, 3, 2, 1});
  CHECK(shape_of(run_view(x, "Reshape", {{"shape", Ints{6, 4}}}, nullptr, 1)) == Shape{6, 4});
}

TEST_CASE("Squeeze and Unsqueeze: operands and attributes") {
  const Ints none, first = {0}, ends = {0, -1};
  CHECK(shape_of(run_view({1, 3, 1, 2}, "Squeeze", {}, nullptr)) == Shape{3, 2});
  CHECK(shape_of(run_view({1, 3, 1, 2}, "Squeeze", {}, &first)) == Shape{3, 1, 2});
  CHECK(shape_of(run_view({1, 3, 1, 2}, "Squeeze", {{"axes", Ints{-2}}}, nullptr, 11)) == Shape{1, 3, 2});
  CHECK(shape_of(run_view({3, 2}, "Unsqueeze", {}, &ends)) == Shape{1, 3, 2, 1});
  CHECK(shape_of(run_view({3, 2}, "Unsqueeze", {{"axes", Ints{2, 0}}}, nullptr, 11)) == Shape{1, 3, 1, 2});
}

TEST_CASE("Identity and Dropout vanish") {
  CHECK(run_view({2, 3}, "Identity", {}, nullptr).plan->rows.size() == 2);
  CHECK(run_view({2, 3}, "Dropout", {}, nullptr, 13).plan->rows.size() == 2);
}

TEST_CASE("Dropout: training is refused, but for a ratio of 0") {
  for (const bool masked : {false, true})
    for (const double ratio : {0.0, 0.5}) {
      GraphMaker g;
      Tensor training(DType::boolean, {});
      training.mutable_values<uint8_t>()[0] = 1;
      g.input("x", float_tensor({2, 3}, random_values(6, 1))).constant("ratio", float_tensor({}, {ratio}));
      g.constant("training", training).node("Dropout", {"x", "ratio", "training"}, "y").node("Neg", {"y"}, "z");
      if (masked) g.graph.nodes[0].outputs.push_back("mask");
      g.output("z");
      if (masked) g.output("mask");
      if (ratio != 0) {
        CHECK_THROWS_WITH_AS(run_graph(g, Isa::scalar), doctest::Contains("training_mode=true"), Error);
        continue;
      }
      CHECK(run_graph(g, Isa::scalar).outputs[0].to_double()[4] == -random_values(6, 1)[4]);
    }
}

TEST_CASE("Dropout: the mask of inference keeps everything") {
  for (const int opset : {7, 12}) {
    GraphMaker g;
    g.input("x", float_tensor({2, 3}, random_values(6, 1)))
        .node("Dropout", {"x"}, "y", {}, opset)
        .output("y")
        .output("mask");
    g.graph.nodes[0].outputs.push_back("mask");
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.outputs[0].to_double() == random_values(6, 1));
    CHECK(ran.outputs[1].dtype() == (opset < 10 ? DType::f32 : DType::boolean));
    CHECK(ran.outputs[1].to_double() == std::vector<double>(6, 1.0));
    CHECK(ran.plan->estimate.totals.bytes_compulsory == 0);
  }
}

TEST_CASE("views that are graph outputs, of inputs and of constants, are copied") {
  GraphMaker g;
  g.input("x", float_tensor({2, 3}, random_values(6, 1)))
      .constant("c", float_tensor({2}, {4, 5}))
      .constant("s", Tensor::of_int64({6}));
  g.node("Reshape", {"x", "s"}, "y").node("Identity", {"c"}, "z").output("y").output("z").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_double() == random_values(6, 1));
  CHECK(ran.outputs[1].to_double() == std::vector<double>{4, 5});
  CHECK(ran.outputs[2].to_double() == random_values(6, 1));
}

TEST_CASE("views: bad shapes and axes name node, found and required") {
  const auto failing = [](const Shape& shape, const std::string& op, const Ints& operand) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, shape))
        .constant("o", Tensor::of_int64(operand))
        .node(op, {"x", "o"}, "y")
        .output("y");
    return error_of(g);
  };
  CHECK(failing({2, 3}, "Reshape", {4, -1}) ==
        "Reshape 'y': shape for 6 elements must have a product that divides them, not 4");
  CHECK(failing({2, 3}, "Reshape", {5}) == "Reshape 'y': shape 5 must have 6 elements like 2x3");
  CHECK(failing({2, 3}, "Reshape", {-1, -1}) == "Reshape 'y': shape has -1 twice; must have at most one");
  CHECK(failing({2, 3}, "Squeeze", {0}) == "Squeeze 'y': extent 2 on axis 0 must be 1");
  CHECK(failing({2, 3}, "Unsqueeze", {0, 0}) == "Unsqueeze 'y': axis 0 twice must be distinct");
  CHECK(failing({2, 3}, "Unsqueeze", {5}) == "Unsqueeze 'y': axis=5 must be in [-3, 3)");
}

TEST_CASE("one pixel an image: channels_last is read as plain, as long as no padding lies between") {
  constexpr int64_t kPixels = 3 * 5;
  for (const Isa isa : usable_isas())
    for (const int64_t N : {1, 2})
      for (const int64_t C : {10, 16}) {
        CAPTURE(name_of(isa));
        CAPTURE(N);
        CAPTURE(C);
        const std::vector<double> x = random_values(N * C * kPixels, 1);
        std::vector<double> w(static_cast<size_t>(C * C), 0.0), expected, scale;
        for (int64_t c = 0; c < C; ++c) w[static_cast<size_t>(c * C + c)] = 1;
        for (int64_t map = 0; map < N * C; ++map) {
          double sum = 0, magnitude = 0;
          for (int64_t i = 0; i < kPixels; ++i) {
            sum += x[static_cast<size_t>(map * kPixels + i)];
            magnitude += std::abs(x[static_cast<size_t>(map * kPixels + i)]);
          }
          expected.push_back(sum / kPixels);
          scale.push_back(magnitude / kPixels);
        }
        GraphMaker g;
        g.input("x", float_tensor({N, C, 3, 5}, x)).constant("w", float_tensor({C, C, 1, 1}, w));
        g.node("Conv", {"x", "w"}, "c").node("AveragePool", {"c"}, "p", {{"kernel_shape", Ints{3, 5}}});
        g.node("Flatten", {"p"}, "y").output("p").output("y");
        const Ran ran = run_graph(g, isa);
        for (const Tensor& y : ran.outputs) check_close(y, expected, scale, kPixels + C);
        const int64_t pad = kernel_table(isa, false).geometry.channel_pad;
        for (const PlanRow& row : ran.plan->rows)
          if (row.op == "Reorder" && row.input_shapes[0] == Shape{N, C, 1, 1}) CHECK((N > 1 && C % pad != 0));
      }
}

}  // namespace
