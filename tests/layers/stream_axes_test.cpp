// How layers run one time step at a time: where time goes, what a step takes instead, and what forbids it.
#include "tally/layers/stream_axes.h"

#include "layer_run.h"

namespace {

using namespace tally;
using namespace tally::test;
using Ints = std::vector<int64_t>;

constexpr int kNone = kNoTimeAxis;

/// An operand: its whole shape, where time runs, and whether it is a constant (of `value`, or zeros).
struct Given {
  Shape shape;
  int axis = kNone;
  bool constant = false;
  std::optional<Tensor> value = {};
};

Given weights(Shape shape) { return {std::move(shape), kNone, true, {}}; }
Given numbers(const Ints& values) {
  return {{static_cast<int64_t>(values.size())}, kNone, true, Tensor::of_int64(values)};
}

struct Streamed {
  StreamStep step;
  std::shared_ptr<const Layer> layer;  ///< what runs a step
  std::vector<Shape> whole, one;       ///< shapes of the outputs, of the whole and of a step
};

/// What the layer answers; where it can run step by step, a step's shapes must be those of the whole with T = 1.
Streamed stream(const std::string& op, std::map<std::string, Attribute> attributes, std::vector<Given> given,
                int opset = 17, size_t outputs = 1) {
  Node node;
  node.name = "n";
  node.op = op;
  node.opset = opset;
  node.attributes = std::move(attributes);
  std::vector<Operand> whole;
  std::vector<int> axes;
  std::vector<Tensor> constants;
  constants.reserve(given.size() + 4);
  for (const Given& g : given) {
    node.inputs.push_back("x" + std::to_string(whole.size()));
    const Tensor* value = nullptr;
    if (g.constant) value = &constants.emplace_back(g.value ? *g.value : Tensor(DType::f32, g.shape));
    whole.push_back({value ? value->dtype() : DType::f32, g.shape, value, node.inputs.back(), true});
    axes.push_back(g.axis);
  }
  for (size_t i = 0; i < outputs; ++i) node.outputs.push_back("y" + std::to_string(i));
  Streamed s;
  s.layer = registry().make(node);
  for (const TensorType& type : s.layer->infer(whole)) s.whole.push_back(type.shape);
  s.step = s.layer->stream(whole, axes);
  if (!s.step.obstacle.empty()) return s;
  if (s.step.layer) s.layer = s.step.layer;
  std::vector<Operand> one = whole;
  for (size_t i = 0; i < one.size(); ++i)
    if (axes[i] != kNone) one[i].shape[static_cast<size_t>(axes[i])] = 1;
  for (const auto& [input, axis] : s.step.tables) {
    CHECK(one[static_cast<size_t>(input)].constant != nullptr);
    one[static_cast<size_t>(input)].shape[static_cast<size_t>(axis)] = 1;
    one[static_cast<size_t>(input)].constant = nullptr;
  }
  for (const auto& [input, tensor] : s.step.constants) {
    one[static_cast<size_t>(input)].constant = &tensor;
    one[static_cast<size_t>(input)].shape = tensor.shape();
  }
  for (const TensorType& type : s.layer->infer(one)) s.one.push_back(type.shape);
  REQUIRE(s.one.size() == s.whole.size());
  for (size_t i = 0; i < s.step.time_axes.size() && i < s.one.size(); ++i) {
    Shape expected = s.whole[i];
    if (s.step.time_axes[i] != kNone) expected[static_cast<size_t>(s.step.time_axes[i])] = 1;
    CHECK(s.one[i] == expected);
  }
  return s;
}

int axis_of(const Streamed& s) {
  CHECK(s.step.obstacle == "");
  return s.step.obstacle.empty() ? s.step.time_axes.at(0) : -2;
}
std::string obstacle_of(const Streamed& s) { return s.step.obstacle; }

using Tables = std::vector<std::pair<int, int>>;

TEST_CASE("stream: elements keep their axis") {
  for (const char* op : {"Relu", "Tanh", "Sigmoid", "Exp", "Identity", "Dropout"})
    CHECK(axis_of(stream(op, {}, {{{7, 2, 3}, 0}})) == 0);
  CHECK(axis_of(stream("Cast", {{"to", int64_t{11}}}, {{{2, 7, 3}, 1}})) == 1);
  CHECK(axis_of(stream("Clip", {}, {{{2, 7, 3}, 1}, weights({}), weights({})})) == 1);
  const Streamed mask = stream("Dropout", {}, {{{7, 2, 3}, 0}}, 17, 2);
  CHECK(mask.step.time_axes == std::vector<int>{0, 0});
}

TEST_CASE("stream: Add and its like; constants along time are tables") {
  CHECK(axis_of(stream("Add", {}, {{{7, 2, 3}, 0}, weights({3})})) == 0);
  CHECK(axis_of(stream("Mul", {}, {weights({1, 1}), {{7, 2, 3}, 0}})) == 0);
  CHECK(axis_of(stream("Sub", {}, {{{7, 2, 3}, 0}, {{7, 1, 3}, 0}})) == 0);
  CHECK(axis_of(stream("Div", {}, {{{7, 3}, 0}, {{2, 7, 3}, 1}})) == 1);
  const Streamed table = stream("Add", {}, {{{2, 7, 3}, 1}, weights({7, 3})});
  CHECK(axis_of(table) == 1);
  CHECK(table.step.tables == Tables{{1, 0}});
  CHECK(stream("Sum", {}, {{{2, 7, 3}, 1}, weights({3}), weights({1, 7, 1})}).step.tables == Tables{{2, 1}});
  const Streamed old =
      stream("Add", {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}, {{{2, 7, 3}, 1}, weights({7})}, 6);
  CHECK(old.step.tables == Tables{{1, 0}});
  CHECK(obstacle_of(stream("Add", {}, {{{7, 7, 3}, 0}, {{7, 3}, 0}})) == "time runs along axes 0 and 1 of its result");
  CHECK(obstacle_of(stream("Add", {}, {{{7, 3}, 0}, {{7, 1}, kNone}})) == "operand 'x1' holds all time steps at once");
  CHECK(obstacle_of(stream("Add", {}, {{{1, 3}, 0}, weights({5, 3})})) == "operand 'x1' is spread along time");
}

TEST_CASE("stream: views follow the time axis") {
  const auto squeeze = [](const Shape& shape, int axis, const Ints& axes) {
    return stream("Squeeze", {}, {{shape, axis}, numbers(axes)});
  };
  CHECK(axis_of(squeeze({7, 1, 2, 3}, 0, {1})) == 0);
  CHECK(axis_of(squeeze({1, 1, 7, 3}, 2, {0, 1})) == 1 - 1);
  CHECK(axis_of(squeeze({1, 7, 1, 3}, 1, {-2})) == 1);
  CHECK(obstacle_of(squeeze({1, 1, 3}, 0, {0})) == "squeezes the time axis away");
  // Without axes a step must not lose the axis that the whole keeps.
  const Streamed all = stream("Squeeze", {}, {{{1, 7, 1, 3}, 1}});
  CHECK(axis_of(all) == 0);
  CHECK(all.step.layer != nullptr);
  CHECK(all.one[0] == Shape{1, 3});

  CHECK(axis_of(stream("Unsqueeze", {}, {{{7, 3}, 0}, numbers({0, 2})})) == 1);
  CHECK(axis_of(stream("Unsqueeze", {}, {{{7, 3}, 0}, numbers({-1})})) == 0);
  CHECK(axis_of(stream("Unsqueeze", {{"axes", Ints{1, 2}}}, {{{3, 7}, 1}}, 11)) == 3);

  CHECK(axis_of(stream("Flatten", {}, {{{7, 1, 3}, 0}})) == 0);
  CHECK(axis_of(stream("Flatten", {{"axis", int64_t{2}}}, {{{1, 7, 3}, 1}})) == 0);
  CHECK(axis_of(stream("Flatten", {}, {{{3, 7, 1}, 1}})) == 1);
  CHECK(obstacle_of(stream("Flatten", {}, {{{2, 7, 3}, 1}})) == "joins or splits time: 2x7x3 becomes 2x21");

  const Streamed shaped = stream("Reshape", {}, {{{7, 2, 6}, 0}, numbers({7, 2, 3, -1})});
  CHECK(axis_of(shaped) == 0);
  REQUIRE(shaped.step.constants.size() == 1);
  CHECK(shaped.step.constants[0].second.to_int64() == Ints{1, 2, 3, 2});
  CHECK(axis_of(stream("Reshape", {}, {{{2, 3, 7, 4}, 2}, numbers({6, 7, -1})})) == 1);
  CHECK(axis_of(stream("Reshape", {}, {{{7, 1, 4}, 0}, numbers({-1, 4})})) == 0);
  CHECK(axis_of(stream("Reshape", {{"shape", Ints{0, 4}}}, {{{7, 4}, 0}}, 4)) == 0);
  CHECK(obstacle_of(stream("Reshape", {}, {{{7, 2, 4}, 0}, numbers({14, 4})})) ==
        "joins or splits time: 7x2x4 becomes 14x4");
  CHECK(obstacle_of(stream("Reshape", {}, {{{6, 4}, 0}, numbers({2, 3, 4})})) ==
        "joins or splits time: 6x4 becomes 2x3x4");
}

TEST_CASE("stream: Transpose, Concat, Pad") {
  CHECK(axis_of(stream("Transpose", {{"perm", Ints{1, 2, 0}}}, {{{7, 2, 3}, 0}})) == 2);
  CHECK(axis_of(stream("Transpose", {}, {{{2, 7, 3}, 1}})) == 1);
  CHECK(axis_of(stream("Transpose", {}, {{{7, 2, 3}, 0}})) == 2);

  CHECK(axis_of(stream("Concat", {{"axis", int64_t{2}}}, {{{7, 2, 3}, 0}, {{7, 2, 4}, 0}})) == 0);
  const Streamed joined = stream("Concat", {{"axis", int64_t{-1}}}, {{{2, 7, 3}, 1}, weights({2, 7, 1})});
  CHECK(axis_of(joined) == 1);
  CHECK(joined.step.tables == Tables{{1, 1}});
  CHECK(obstacle_of(stream("Concat", {{"axis", int64_t{0}}}, {{{7, 3}, 0}, {{7, 3}, 0}})) ==
        "joins sequences end to end");
  CHECK(obstacle_of(stream("Concat", {{"axis", int64_t{1}}}, {{{7, 3}, 0}, {{7, 3}, kNone}})) ==
        "operand 'x1' holds all time steps at once");

  CHECK(axis_of(stream("Pad", {}, {{{7, 2, 3}, 0}, numbers({0, 0, 1, 0, 0, 2})})) == 0);
  CHECK(obstacle_of(stream("Pad", {}, {{{7, 2, 3}, 0}, numbers({1, 0, 0, 0, 0, 0})})) == "pads time by 1 and 0");
}

TEST_CASE("stream: BatchNormalization and Softmax, but not along time") {
  const auto normalize = [](int axis) {
    return stream("BatchNormalization", {},
                  {{{7, 4, 9}, axis}, weights({4}), weights({4}), weights({4}), weights({4})});
  };
  CHECK(axis_of(normalize(0)) == 0);
  CHECK(axis_of(normalize(2)) == 2);
  CHECK(obstacle_of(normalize(1)) == "its statistics differ from step to step");

  CHECK(axis_of(stream("Softmax", {}, {{{7, 2, 3}, 0}})) == 0);
  CHECK(axis_of(stream("Softmax", {{"axis", int64_t{0}}}, {{{2, 7}, 1}})) == 1);
  CHECK(obstacle_of(stream("Softmax", {}, {{{2, 7}, 1}})) == "sums over time");
  CHECK(obstacle_of(stream("Softmax", {}, {{{2, 7, 3}, 1}}, 11)) == "sums over time");
  CHECK(axis_of(stream("Softmax", {{"axis", int64_t{2}}}, {{{2, 7, 3}, 1}}, 11)) == 1);
}

TEST_CASE("stream: Gemm and MatMul with time among rows, columns or matrices") {
  CHECK(axis_of(stream("Gemm", {}, {{{7, 4}, 0}, weights({4, 5}), weights({5})})) == 0);
  CHECK(axis_of(stream("Gemm", {{"transA", int64_t{1}}}, {{{4, 7}, 1}, weights({4, 5})})) == 0);
  CHECK(axis_of(stream("Gemm", {}, {weights({5, 4}), {{4, 7}, 1}})) == 1);
  CHECK(stream("Gemm", {}, {{{7, 4}, 0}, weights({4, 5}), weights({7, 5})}).step.tables == Tables{{2, 0}});
  CHECK(stream("Gemm", {}, {weights({5, 4}), {{4, 7}, 1}, weights({7})}).step.tables == Tables{{2, 0}});
  CHECK(axis_of(stream("Gemm", {}, {{{7, 4}, 0}, weights({4, 5}), {{7, 5}, 0}})) == 0);
  CHECK(obstacle_of(stream("Gemm", {}, {{{4, 7}, 1}, weights({7, 5})})) == "sums over time");
  CHECK(obstacle_of(stream("Gemm", {}, {{{7, 4}, 0}, {{4, 7}, 1}})) == "multiplies time steps with each other");
  CHECK(obstacle_of(stream("Gemm", {}, {{{5, 4}, kNone}, weights({4, 7}), {{7}, 0}})) ==
        "time runs along another axis of C than of A·B");

  CHECK(axis_of(stream("MatMul", {}, {{{7, 4}, 0}, weights({4, 5})})) == 0);
  CHECK(axis_of(stream("MatMul", {}, {{{7, 2, 4}, 0}, weights({4, 5})})) == 0);
  CHECK(axis_of(stream("MatMul", {}, {{{2, 7, 4}, 1}, weights({4, 5})})) == 1);
  CHECK(axis_of(stream("MatMul", {}, {weights({5, 4}), {{2, 4, 7}, 2}})) == 2);
  CHECK(axis_of(stream("MatMul", {}, {{{7, 4}, 0}, weights({4})})) == 0);
  CHECK(axis_of(stream("MatMul", {}, {weights({4}), {{4, 7}, 1}})) == 0);
  CHECK(axis_of(stream("MatMul", {}, {{{7, 2, 4}, 0}, {{3, 7, 4, 5}, 1}})) == 1);
  CHECK(stream("MatMul", {}, {{{7, 2, 4}, 0}, weights({7, 4, 5})}).step.tables == Tables{{1, 0}});
  CHECK(obstacle_of(stream("MatMul", {}, {{{7, 2, 4}, 0}, {{7, 4, 5}, kNone}})) ==
        "operand 'x1' holds all time steps at once");
  CHECK(obstacle_of(stream("MatMul", {}, {{{2, 4, 7}, 2}, weights({7, 5})})) == "sums over time");
  CHECK(obstacle_of(stream("MatMul", {}, {{{7}, 0}, weights({7, 5})})) == "sums over time");
  CHECK(obstacle_of(stream("MatMul", {}, {{{2, 7, 4}, 1}, {{2, 4, 7}, 2}})) == "multiplies time steps with each other");
  CHECK(obstacle_of(stream("MatMul", {}, {{{7, 2, 4}, 0}, {{7, 4, 7}, 2}})) == "multiplies time steps with each other");
}

TEST_CASE("stream: windows of one step along time") {
  CHECK(axis_of(stream("Conv", {}, {{{1, 4, 7}, 2}, weights({5, 4, 1}), weights({5})})) == 2);
  CHECK(axis_of(stream("Conv", {{"pads", Ints{0, 1, 0, 1}}}, {{{1, 4, 7, 9}, 2}, weights({5, 4, 1, 3})})) == 2);
  CHECK(axis_of(stream("Conv", {}, {{{7, 4, 9}, 0}, weights({5, 4, 3})})) == 0);
  CHECK(obstacle_of(stream("Conv", {}, {{{1, 4, 7}, 2}, weights({5, 4, 5})})) == "kernel 5 spans time steps");
  CHECK(obstacle_of(stream("Conv", {{"strides", Ints{2}}}, {{{1, 4, 7}, 2}, weights({5, 4, 1})})) ==
        "stride 2 leaves out time steps");
  CHECK(obstacle_of(stream("Conv", {{"pads", Ints{1, 0}}}, {{{1, 4, 7}, 2}, weights({5, 4, 1})})) ==
        "pads time by 1 and 0");
  CHECK(obstacle_of(stream("Conv", {}, {{{1, 4, 7}, 1}, weights({5, 4, 1})})) ==
        "sums over time, which runs along its channels");
  CHECK(axis_of(stream("MaxPool", {{"kernel_shape", Ints{1, 2}}}, {{{1, 4, 7, 6}, 2}})) == 2);
  CHECK(axis_of(stream("AveragePool", {{"kernel_shape", Ints{2}}}, {{{7, 4, 6}, 0}})) == 0);
  CHECK(obstacle_of(stream("MaxPool", {{"kernel_shape", Ints{2}}}, {{{1, 4, 7}, 2}})) == "kernel 2 spans time steps");
  CHECK(obstacle_of(stream("MaxPool", {{"kernel_shape", Ints{1}}}, {{{1, 4, 7}, 2}}, 17, 2)) ==
        "its indices count from the first time step");
  CHECK(axis_of(stream("GlobalAveragePool", {}, {{{7, 4, 6}, 0}})) == 0);
  CHECK(obstacle_of(stream("GlobalMaxPool", {}, {{{1, 4, 7}, 2}})) == "reduces over time");
  // Not every layer can.
  CHECK(obstacle_of(stream("Size", {}, {{{1, 4, 7}, 2}})) == "takes several time steps at once");
}

Streamed stream_recurrent(const char* op, std::map<std::string, Attribute> attributes, std::vector<Given> more = {},
                          int axis = 0) {
  const int64_t gates = op[0] == 'L' ? 4 : op[0] == 'G' ? 3 : 1;
  const bool batch_first = attributes.contains("layout");
  const int64_t D =
      attributes.contains("direction") && std::get<std::string>(attributes["direction"])[0] == 'b' ? 2 : 1;
  std::vector<Given> given = {{batch_first ? Shape{2, 7, 3} : Shape{7, 2, 3}, axis},
                              weights({D, gates * 4, 3}),
                              weights({D, gates * 4, 4}),
                              weights({D, gates * 8})};
  given.insert(given.end(), more.begin(), more.end());
  return stream(op, std::move(attributes), std::move(given), 22, op[0] == 'L' ? 3 : 2);
}

Given lengths(const std::vector<int32_t>& values) {
  return {{static_cast<int64_t>(values.size())},
          kNone,
          true,
          Tensor::of<int32_t>(DType::i32, {static_cast<int64_t>(values.size())}, values)};
}

TEST_CASE("stream: recurrent layers forward along their sequences") {
  for (const char* op : {"RNN", "LSTM", "GRU"}) {
    const Streamed s = stream_recurrent(op, {});
    CHECK(axis_of(s) == 0);
    CHECK(s.step.time_axes[1] == kNone);
    CHECK(s.step.stateful);
    CHECK(s.step.layer != nullptr);
    CHECK(axis_of(stream_recurrent(op, {{"layout", int64_t{1}}}, {}, 1)) == 1);
    CHECK(obstacle_of(stream_recurrent(op, {}, {}, 1)) == "time runs along axis 1 of X, its steps along axis 0");
    for (const char* direction : {"reverse", "bidirectional"})
      CHECK(obstacle_of(stream_recurrent(op, {{"direction", std::string(direction)}})) ==
            "reverse reads the sequence from its end");
    CHECK(stream_recurrent(op, {}, {lengths({7, 7})}).step.constants[0].second.to_int64() == Ints{1, 1});
    CHECK(obstacle_of(stream_recurrent(op, {}, {lengths({7, 6})})) ==
          "sequence_lens ends sequences before the last step");
  }
  const Given absent_lengths = lengths({7, 7});
  CHECK(stream_recurrent("GRU", {}, {absent_lengths, weights({1, 2, 4})}).step.layer != nullptr);
  // Fed states are the caller's to feed back.
  CHECK(stream_recurrent("GRU", {}, {absent_lengths, {{1, 2, 4}, kNone}}).step.layer == nullptr);
  CHECK(stream_recurrent("LSTM", {}, {absent_lengths, {{1, 2, 4}, kNone}, {{1, 2, 4}, kNone}}).step.layer == nullptr);
  CHECK(obstacle_of(stream_recurrent("LSTM", {}, {absent_lengths, {{1, 2, 4}, kNone}, weights({1, 2, 4})})) ==
        "initial_h is fed and initial_c is not: both must be, or neither");
}

}  // namespace
