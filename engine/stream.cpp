#include "tally/engine/stream.h"

#include <algorithm>
#include <optional>

#include "tally/engine/time_slice.h"

namespace tally {

namespace {

/// More ways than this to choose time axes are not tried.
constexpr size_t kMostChoices = 4096;

/// The nodes' steps under one choice of the inputs' time axes.
struct Attempt {
  std::vector<int> axes;          ///< by value
  std::vector<StreamStep> steps;  ///< by node; of dead ones and those without time empty
  int64_t extent = 0;             ///< of time
  bool stateful = false;
  size_t reached = 0;  ///< nodes that can run step by step before one cannot
  std::optional<Error> obstacle;
};

class Streamer {
 public:
  explicit Streamer(TypedGraph& graph) : graph_(graph) {}

  Timeline run() {
    Attempt best = search();
    Timeline timeline;
    timeline.steps = best.extent;
    for (ValueId id : graph_.inputs) timeline.input_axes.push_back(best.axes[static_cast<size_t>(id)]);
    for (ValueId id : graph_.outputs) timeline.output_axes.push_back(best.axes[static_cast<size_t>(id)]);
    for (size_t n = 0; n < best.steps.size(); ++n) {
      const StreamStep& step = best.steps[n];
      timeline.bounded |= step.bounded || !step.tables.empty();
      for (const auto& [input, output] : step.carries)
        timeline.carries.push_back(carried(graph_.nodes[n], input, output));
    }
    rebuild(best);
    return timeline;
  }

 private:
  const TypedValue& value(ValueId id) const { return graph_.values[static_cast<size_t>(id)]; }

  static std::optional<size_t> position(const std::vector<ValueId>& list, ValueId id) {
    const auto at = std::find(list.begin(), list.end(), id);
    if (id == kAbsent || at == list.end()) return {};
    return static_cast<size_t>(at - list.begin());
  }

  /// The graph's output and input that hand a node's state from step to step.
  std::pair<size_t, size_t> carried(const TypedNode& node, int input, int output) const {
    const ValueId from = node.inputs[static_cast<size_t>(input)];
    const ValueId to =
        static_cast<size_t>(output) < node.outputs.size() ? node.outputs[static_cast<size_t>(output)] : kAbsent;
    const auto in = position(graph_.inputs, from), out = position(graph_.outputs, to);
    if (!in || !out)
      fail(node.layer->label(), text("a state that comes from '", value(from).name, "'"),
           "must be handed in and out as an input and an output of the graph to be streamed");
    return {*out, *in};
  }

  /// Tries each axis of each input, the first input's fastest.
  Attempt search() const {
    std::vector<ValueId> inputs;
    std::vector<int> choice;
    for (ValueId id : graph_.inputs)
      if (!value(id).constant && !value(id).shape.empty()) inputs.push_back(id);
    choice.assign(inputs.size(), kNoTimeAxis);
    std::optional<Attempt> stateless, furthest;
    for (size_t tried = 0; tried < kMostChoices && next(inputs, choice); ++tried) {
      Attempt attempt = follow(inputs, choice);
      if (!attempt.obstacle && attempt.stateful) return attempt;
      // Without state any batch axis could be time; one of a single element would leave nothing to stream.
      if (!attempt.obstacle && attempt.extent > 1 && !stateless)
        stateless = std::move(attempt);
      else if (attempt.obstacle && (!furthest || attempt.reached > furthest->reached))
        furthest = std::move(attempt);
    }
    if (stateless) return std::move(*stateless);
    if (furthest) throw Error(*furthest->obstacle);
    fail("model", "no input with a time axis", "must have one to be run step by step");
  }

  /// The next choice of axes; false after the last.
  bool next(const std::vector<ValueId>& inputs, std::vector<int>& choice) const {
    for (size_t i = 0; i < choice.size(); ++i) {
      if (++choice[i] < static_cast<int>(value(inputs[i]).shape.size())) return true;
      choice[i] = kNoTimeAxis;
    }
    return false;
  }

  Attempt follow(const std::vector<ValueId>& inputs, const std::vector<int>& choice) const {
    Attempt a;
    a.axes.assign(graph_.values.size(), kNoTimeAxis);
    a.steps.resize(graph_.nodes.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (choice[i] == kNoTimeAxis) continue;
      const int64_t extent = value(inputs[i]).shape[static_cast<size_t>(choice[i])];
      if (a.extent != 0 && extent != a.extent) {
        a.obstacle.emplace(ErrorCode::model, "input '" + value(inputs[i]).name + "'", text(extent, " time steps"),
                           text("must be ", a.extent, " like the other inputs"));
        return a;
      }
      a.extent = extent;
      a.axes[static_cast<size_t>(inputs[i])] = choice[i];
    }
    for (size_t n = 0; n < graph_.nodes.size() && !a.obstacle; ++n)
      if (!graph_.nodes[n].dead) follow_node(n, a);
    return a;
  }

  void follow_node(size_t n, Attempt& a) const {
    const TypedNode& node = graph_.nodes[n];
    std::vector<int> axes;
    for (ValueId id : node.inputs) axes.push_back(id == kAbsent ? kNoTimeAxis : a.axes[static_cast<size_t>(id)]);
    ++a.reached;
    if (std::all_of(axes.begin(), axes.end(), [](int axis) { return axis == kNoTimeAxis; })) return;
    StreamStep step = node.layer->stream(graph_.operands(node), axes);
    if (!step.obstacle.empty()) {
      a.obstacle.emplace(ErrorCode::model, node.layer->label(), step.obstacle,
                         "must run one time step at a time to be streamed");
      return;
    }
    for (size_t k = 0; k < node.outputs.size(); ++k)
      if (node.outputs[k] != kAbsent && k < step.time_axes.size())
        a.axes[static_cast<size_t>(node.outputs[k])] = step.time_axes[k];
    a.stateful = a.stateful || step.stateful;
    a.steps[n] = std::move(step);
  }

  /// The graph of one step: inputs of extent 1 along time, the layers' steps, slices of tables before them.
  void rebuild(const Attempt& attempt) {
    for (ValueId id : graph_.inputs)
      if (const int axis = attempt.axes[static_cast<size_t>(id)]; axis != kNoTimeAxis)
        graph_.values[static_cast<size_t>(id)].shape[static_cast<size_t>(axis)] = 1;
    std::vector<TypedNode> nodes;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      TypedNode& node = graph_.nodes[n];
      if (node.dead) continue;
      const StreamStep& step = attempt.steps[n];
      if (step.layer) node.layer = step.layer;
      for (const auto& [input, tensor] : step.constants)
        node.inputs[static_cast<size_t>(input)] = add_constant(tensor, node.inputs[static_cast<size_t>(input)]);
      for (const auto& [input, axis] : step.tables) {
        nodes.push_back(slice_of(node.inputs[static_cast<size_t>(input)], axis));
        node.inputs[static_cast<size_t>(input)] = nodes.back().outputs[0];
      }
      const std::vector<TensorType> types = node.layer->infer(graph_.operands(node));
      for (size_t k = 0; k < node.outputs.size(); ++k)
        if (node.outputs[k] != kAbsent) graph_.values[static_cast<size_t>(node.outputs[k])].shape = types[k].shape;
      nodes.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes);
  }

  ValueId add_constant(const Tensor& tensor, ValueId instead_of) {
    const std::string name = value(instead_of).name + " of a step";
    graph_.values.push_back({name, tensor.dtype(), tensor.shape(), tensor, name});
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  TypedNode slice_of(ValueId table, int axis) {
    TypedNode node;
    node.layer = make_time_slice(value(table).name, axis);
    node.name = value(table).name + " at its step";
    node.op = node.layer->op();
    node.inputs = {table};
    const std::vector<TensorType> types = node.layer->infer(graph_.operands(node));
    graph_.values.push_back({node.name, types[0].dtype, types[0].shape, {}, {}});
    node.outputs = {static_cast<ValueId>(graph_.values.size() - 1)};
    return node;
  }

  TypedGraph& graph_;
};

}  // namespace

Timeline stream_graph(TypedGraph& graph) { return Streamer(graph).run(); }

}  // namespace tally
