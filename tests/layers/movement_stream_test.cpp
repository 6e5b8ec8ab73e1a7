// How layers that move data run one time step at a time: where time goes, what a step takes instead, what forbids it.
#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

constexpr int64_t T = 7;

/// An operand: a sequence with time along `axis`, or a constant.
struct Given {
  Shape shape;
  int axis = kNoTimeAxis;
  std::optional<Tensor> constant = {};
};

Given numbers(const Ints& values) {
  return {{static_cast<int64_t>(values.size())}, kNoTimeAxis, Tensor::of_int64(values)};
}

struct Answer {
  StreamStep step;
  std::vector<Shape> one;  ///< shapes of a step's outputs
};

/// What the layer answers, and the shapes of its step, which must be those of the whole with one step along time.
Answer ask(const std::string& op, std::map<std::string, Attribute> attributes, const std::vector<Given>& given,
           int opset = 17, size_t outputs = 1) {
  Node node;
  node.name = "n";
  node.op = op;
  node.opset = opset;
  node.attributes = std::move(attributes);
  std::vector<Operand> whole, one;
  std::vector<int> axes;
  for (const Given& g : given) {
    node.inputs.push_back("x");
    whole.push_back({g.constant                        ? g.constant->dtype()
                     : op == "OneHot" && whole.empty() ? DType::i64
                                                       : DType::f32,
                     g.shape, g.constant ? &*g.constant : nullptr, "x", true});
    if (op == "Gather" && whole.size() == 2) whole.back().dtype = DType::i64;
    if (op == "GatherElements" && whole.size() == 2) whole.back().dtype = DType::i64;
    axes.push_back(g.axis);
  }
  node.outputs.assign(outputs, "y");
  const std::unique_ptr<Layer> layer = registry().make(node);
  Answer answer;
  const std::vector<TensorType> types = layer->infer(whole);
  answer.step = layer->stream(whole, axes);
  if (!answer.step.obstacle.empty()) return answer;
  one = whole;
  for (size_t i = 0; i < one.size(); ++i)
    if (axes[i] >= 0) one[i].shape[static_cast<size_t>(axes[i])] = 1;
  for (const auto& [input, tensor] : answer.step.constants) {
    one[static_cast<size_t>(input)].constant = &tensor;
    one[static_cast<size_t>(input)].shape = tensor.shape();
  }
  const std::vector<TensorType> step = (answer.step.layer ? *answer.step.layer : *layer).infer(one);
  REQUIRE(answer.step.time_axes.size() == types.size());
  for (size_t k = 0; k < types.size(); ++k) {
    Shape expected = types[k].shape;
    if (const int axis = answer.step.time_axes[k]; axis >= 0) {
      CHECK(expected[static_cast<size_t>(axis)] == T);
      expected[static_cast<size_t>(axis)] = 1;
    }
    CHECK(step[k].shape == expected);
    answer.one.push_back(step[k].shape);
  }
  return answer;
}

using Axes = std::vector<int>;

TEST_CASE("stream: Slice, Split, Expand, Tile keep a time axis that they do not touch") {
  const Given x{{2, T, 6}, 1};
  CHECK(ask("Slice", {}, {x, numbers({1}), numbers({INT64_MAX}), numbers({2})}).step.time_axes == Axes{1});
  CHECK(ask("Slice", {}, {x, numbers({0, 1}), numbers({T, 3}), numbers({1, 2})}).step.time_axes == Axes{1});
  CHECK(ask("Slice", {{"starts", Ints{2}}, {"ends", Ints{4}}, {"axes", Ints{2}}}, {x}, 9).step.time_axes == Axes{1});
  CHECK(ask("Split", {{"axis", int64_t{2}}}, {x, numbers({2, 4})}, 17, 2).step.time_axes == Axes{1, 1});
  CHECK(ask("Expand", {}, {{{2, T, 1}, 1}, numbers({3, 2, T, 6})}).step.time_axes == Axes{2});
  CHECK(ask("Expand", {}, {{{2, T, 1}, 1}, numbers({5})}).step.time_axes == Axes{1});
  CHECK(ask("Tile", {}, {x, numbers({2, 1, 3})}).step.time_axes == Axes{1});
  CHECK(ask("Split", {{"axis", int64_t{1}}}, {x, numbers({2, 5})}, 17, 2).step.obstacle ==
        "cuts its time axis in 2 parts");
  CHECK(ask("Tile", {}, {x, numbers({1, 2, 1})}).step.obstacle == "repeats its time axis 2 times");
}

TEST_CASE("stream: the last step loses the time axis, any other forbids it") {
  const Given x{{2, T, 6}, 1};
  const Answer slice = ask("Slice", {}, {x, numbers({-1}), numbers({INT64_MAX}), numbers({1})});
  CHECK(slice.step.time_axes == Axes{kNoTimeAxis});
  CHECK(slice.one[0] == Shape{2, 1, 6});
  CHECK(ask("Slice", {}, {x, numbers({2}), numbers({4}), numbers({1})}).step.obstacle ==
        "takes 2 of 7 time steps from step 2 on, not all or the last");
  CHECK(ask("Slice", {}, {x, numbers({-1}), numbers({INT64_MIN}), numbers({1}), numbers({-1})})
            .step.obstacle.find("7 of 7") != std::string::npos);
  const Given last{{}, kNoTimeAxis, Tensor::of_int64({-1}).reshaped({})};
  const Answer gather = ask("Gather", {{"axis", int64_t{1}}}, {x, last});
  CHECK(gather.step.time_axes == Axes{kNoTimeAxis});
  CHECK(gather.one[0] == Shape{2, 6});
  CHECK(gather.step.layer->view_of() == 0);  // nothing moves
  CHECK(ask("Gather", {{"axis", int64_t{1}}}, {x, numbers({T - 1, -1})}).one[0] == Shape{2, 2, 6});
  CHECK(ask("Gather", {{"axis", int64_t{1}}}, {x, numbers({3})}).step.obstacle == "takes step 3 of 7, not the last");
  CHECK(ask("Gather", {{"axis", int64_t{1}}}, {x, {{2}}}).step.obstacle ==
        "chooses time steps by indices that are no constants");
}

TEST_CASE("stream: Gather of embedding rows by tokens, and along other axes") {
  const Given table{{50, 8}, kNoTimeAxis, Tensor(DType::f32, {50, 8})};
  CHECK(ask("Gather", {}, {table, {{3, T}, 1}}).step.time_axes == Axes{1});
  CHECK(ask("Gather", {{"axis", int64_t{1}}}, {table, {{T}, 0}}).step.time_axes == Axes{1});
  const Given x{{2, T, 6}, 1};
  CHECK(ask("Gather", {{"axis", int64_t{0}}}, {x, {{}, kNoTimeAxis, Tensor::of_int64({0}).reshaped({})}})
            .step.time_axes == Axes{0});
  CHECK(ask("Gather", {{"axis", int64_t{2}}}, {x, numbers({1, 2})}).step.time_axes == Axes{1});
  CHECK(ask("Gather", {{"axis", int64_t{0}}}, {x, {{4, 5}, kNoTimeAxis, Tensor(DType::i64, {4, 5})}}).step.time_axes ==
        Axes{2});
  CHECK(!ask("Gather", {{"axis", int64_t{2}}}, {x, {{T}, 0}}).step.obstacle.empty());
}

TEST_CASE("stream: other movement") {
  const Given x{{2, T, 6}, 1};
  CHECK(ask("TopK", {{"axis", int64_t{2}}}, {x, numbers({2})}, 17, 2).step.time_axes == Axes{1, 1});
  CHECK(ask("TopK", {{"axis", int64_t{1}}}, {x, numbers({2})}, 17, 2).step.obstacle == "ranks time steps");
  CHECK(ask("Trilu", {}, {{{T, 3, 3}, 0}}).step.time_axes == Axes{0});
  CHECK(ask("Trilu", {}, {x}).step.obstacle == "keeps a triangle of its time axis");
  CHECK(ask("GatherElements", {{"axis", int64_t{2}}}, {x, x}).step.time_axes == Axes{1});
  CHECK(!ask("GatherElements", {{"axis", int64_t{1}}}, {x, x}).step.obstacle.empty());
  CHECK(ask("OneHot", {}, {{{2, T}, 1}, numbers({5}), {{2}, kNoTimeAxis, Tensor(DType::f32, {2})}}).step.time_axes ==
        Axes{1});
  const Given scales{{4}, kNoTimeAxis, Tensor::of<float>(DType::f32, {4}, std::vector<float>{1, 1, 1, 2})};
  CHECK(ask("Resize", {}, {{{1, 2, T, 6}, 2}, scales}, 10).step.time_axes == Axes{2});
  CHECK(ask("Resize", {}, {{{1, 2, 6, T}, 3}, scales}, 10).step.obstacle == "resizes its time axis");
  CHECK(ask("CenterCropPad", {}, {x, numbers({2, T, 3})}, 18).step.time_axes == Axes{1});
  CHECK(ask("CenterCropPad", {}, {x, numbers({2, 5, 6})}, 18).step.obstacle == "pads time by -1 and -1");
  CHECK(ask("DepthToSpace", {{"blocksize", int64_t{2}}}, {{{T, 4, 3, 3}, 0}}).step.time_axes == Axes{0});
  CHECK(!ask("DepthToSpace", {{"blocksize", int64_t{2}}}, {{{1, 4, T, 3}, 2}}).step.obstacle.empty());
}

}  // namespace
