#pragma once
// Graphs with bodies, for the tests of If, Loop and Scan.
#include "layer_run.h"
#include "tally/engine/profile.h"

namespace tally::test {

inline Tensor number(int64_t value) { return Tensor::of_int64({value}).reshaped({}); }
inline Tensor truth(bool value) { return Tensor::of<bool>(DType::boolean, {}, std::span(&value, 1)); }
inline Tensor floats(const std::vector<double>& values) {
  return float_tensor({static_cast<int64_t>(values.size())}, values);
}

/// A body; its inputs' types are left open.
struct BodyMaker {
  Graph graph;

  BodyMaker& input(const std::string& name) {
    graph.inputs.push_back({name, DType::undefined, {}});
    return *this;
  }
  BodyMaker& constant(const std::string& name, Tensor value) {
    graph.initializers[name] = std::move(value);
    return *this;
  }
  BodyMaker& node(const std::string& op, std::vector<std::string> inputs, const std::string& output,
                  std::map<std::string, Attribute> attributes = {}, int opset = 17) {
    graph.nodes.push_back({output, op, "", "", std::move(inputs), {output}, std::move(attributes), opset});
    return *this;
  }
  BodyMaker& output(const std::string& name) {
    graph.outputs.push_back({name, DType::undefined, {}});
    return *this;
  }
  Attribute made() const {
    auto body = std::make_shared<Graph>(graph);
    body->sort_and_check_body();
    return std::shared_ptr<const Graph>(std::move(body));
  }
};

/// A control node of several outputs, which become the graph's.
inline GraphMaker& control(GraphMaker& g, const std::string& op, std::vector<std::string> inputs,
                           std::vector<std::string> outputs, std::map<std::string, Attribute> attributes,
                           int opset = 17) {
  for (const std::string& output : outputs)
    if (!output.empty()) g.output(output);
  g.graph.nodes.push_back(
      {"the " + op, op, "", "", std::move(inputs), std::move(outputs), std::move(attributes), opset});
  return g;
}

/// Integer to_int64: Cast's attribute for booleans and floats.
inline constexpr int64_t kOnnxFloat = 1, kOnnxInt64 = 7, kOnnxBool = 9;

/// The error of typing and planning, or "" where there is none.
inline std::string error_of(const GraphMaker& made, int64_t max_macs = kDefaultMaxWork) {
  try {
    GraphMaker copy = made;
    copy.graph.sort_and_check();
    LoadOptions options;
    options.max_macs = max_macs;
    Context context(CompiledModel(copy.graph, registry(), options));
    context.feed(made.feeds);
    context.run();
    context.require_complete();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace tally::test
