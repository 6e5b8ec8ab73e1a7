#include "tally/layers/builder.h"

#include <atomic>
#include <cctype>
#include <set>

#include "tally/engine/error.h"
#include "tally/layers/registry.h"

namespace tally {

namespace {

constexpr int64_t kIrVersion = 12;  // of opset 24

using Attributes = std::map<std::string, Attribute>;

void put(Attributes& attributes, const char* key, const std::vector<int64_t>& values) {
  if (!values.empty()) attributes[key] = values;
}

template <class Options>
void put_window(Attributes& attributes, const Options& options) {
  put(attributes, "strides", options.strides);
  put(attributes, "pads", options.pads);
  put(attributes, "dilations", options.dilations);
  if (!options.auto_pad.empty()) attributes["auto_pad"] = options.auto_pad;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

Builder::Builder() {
  static std::atomic<uint64_t> builders{0};
  serial_ = ++builders;
}

Builder::Value Builder::add_value(const std::string& kind) {
  names_.push_back(kind + "_" + std::to_string(used_[kind]++));
  return {static_cast<int>(names_.size()) - 1, serial_};
}

const std::string& Builder::name_of_value(const Value& value) const {
  static const std::string absent;
  if (value.id < 0) return absent;
  if (value.builder != serial_)
    fail("builder", "a value of another builder", "must be one of its own", ErrorCode::usage);
  return names_[static_cast<size_t>(value.id)];
}

Builder::Value Builder::named(Value value, std::string name) {
  if (name_of_value(value).empty() || name.empty())
    fail("builder", "no value or no name", "must be given to be named", ErrorCode::usage);
  names_[static_cast<size_t>(value.id)] = std::move(name);
  return value;
}

Builder::Value Builder::input(const Shape& shape, DType dtype) {
  std::vector<Dim> dims;
  for (int64_t extent : shape) dims.push_back({extent, ""});
  inputs_.push_back({add_value("input"), {"", dtype, dims}});
  return inputs_.back().first;
}

Builder::Value Builder::constant(Tensor tensor) {
  constants_.push_back({add_value("constant"), std::move(tensor)});
  return constants_.back().first;
}

Builder::Value Builder::constant(const Shape& shape, const std::vector<float>& values) {
  if (element_count(shape, "constant") != static_cast<int64_t>(values.size()))
    fail("constant", text(values.size(), " values"),
         text("must be ", element_count(shape), " for shape ", to_string(shape)), ErrorCode::usage);
  return constant(Tensor::of<float>(DType::f32, shape, values));
}

Builder::Value Builder::constant(const Ints& values) { return constant(Tensor::of_int64(values)); }

std::vector<Builder::Value> Builder::node(const std::string& op, const std::vector<Value>& inputs,
                                          Attributes attributes, size_t output_count) {
  if (output_count == 0) fail(op, "no outputs", "must be at least one", ErrorCode::usage);
  Pending pending{{}, inputs, {}, false};
  pending.node.op = op;
  pending.node.opset = kNewestOpset;
  pending.node.attributes = std::move(attributes);
  for (const Value& value : inputs) name_of_value(value);
  while (!pending.inputs.empty() && pending.inputs.back().id < 0) pending.inputs.pop_back();
  for (size_t i = 0; i < output_count; ++i) pending.outputs.push_back(add_value(lower(op)));
  nodes_.push_back(std::move(pending));
  return nodes_.back().outputs;
}

Builder::Value Builder::one(const std::string& op, const std::vector<Value>& inputs, Attributes attributes) {
  return node(op, inputs, std::move(attributes))[0];
}

Builder::Value Builder::conv(Value x, Value w, Value bias, const ConvOptions& options) {
  Attributes attributes{{"group", options.group}};
  put_window(attributes, options);
  return one("Conv", {x, w, bias}, std::move(attributes));
}

Builder::Value Builder::linear(Value x, Value w, Value bias) { return gemm(x, w, bias, {.trans_b = true}); }

Builder::Value Builder::gemm(Value a, Value b, Value c, const GemmOptions& options) {
  return one("Gemm", {a, b, c},
             {{"alpha", options.alpha},
              {"beta", options.beta},
              {"transA", int64_t{options.trans_a}},
              {"transB", int64_t{options.trans_b}}});
}

Builder::Value Builder::matmul(Value a, Value b) { return one("MatMul", {a, b}); }

Builder::Value Builder::pool(const char* op, Value x, const Ints& kernel, const PoolOptions& options,
                             Attributes attributes) {
  attributes["kernel_shape"] = kernel;
  attributes["ceil_mode"] = int64_t{options.ceil_mode};
  put_window(attributes, options);
  return one(op, {x}, std::move(attributes));
}

Builder::Value Builder::max_pool(Value x, const Ints& kernel, const PoolOptions& options) {
  return pool("MaxPool", std::move(x), kernel, options, {});
}

Builder::Value Builder::average_pool(Value x, const Ints& kernel, const PoolOptions& options) {
  return pool("AveragePool", std::move(x), kernel, options,
              {{"count_include_pad", int64_t{options.count_include_pad}}});
}

Builder::Value Builder::global_max_pool(Value x) { return one("GlobalMaxPool", {x}); }
Builder::Value Builder::global_average_pool(Value x) { return one("GlobalAveragePool", {x}); }

Builder::Value Builder::batch_norm(Value x, Value scale, Value bias, Value mean, Value var, float epsilon) {
  return one("BatchNormalization", {x, scale, bias, mean, var}, {{"epsilon", epsilon}});
}

Builder::Value Builder::relu(Value x) { return one("Relu", {x}); }
Builder::Value Builder::tanh(Value x) { return one("Tanh", {x}); }
Builder::Value Builder::sigmoid(Value x) { return one("Sigmoid", {x}); }
Builder::Value Builder::exp(Value x) { return one("Exp", {x}); }
Builder::Value Builder::softmax(Value x, int64_t axis) { return one("Softmax", {x}, {{"axis", axis}}); }

Builder::Value Builder::clip(Value x, float min, float max) {
  return one("Clip", {x, constant(Tensor::scalar(min)), constant(Tensor::scalar(max))});
}

Builder::Value Builder::add(Value a, Value b) { return one("Add", {a, b}); }
Builder::Value Builder::sub(Value a, Value b) { return one("Sub", {a, b}); }
Builder::Value Builder::mul(Value a, Value b) { return one("Mul", {a, b}); }
Builder::Value Builder::div(Value a, Value b) { return one("Div", {a, b}); }
Builder::Value Builder::sum(const std::vector<Value>& values) { return one("Sum", values); }

Builder::Value Builder::pad(Value x, const Ints& pads, float value, const std::string& mode) {
  std::vector<Value> inputs = {x, constant(pads)};
  if (mode == "constant") inputs.push_back(constant(Tensor::scalar(value)));
  return one("Pad", inputs, {{"mode", mode}});
}

Builder::Value Builder::flatten(Value x, int64_t axis) { return one("Flatten", {x}, {{"axis", axis}}); }
Builder::Value Builder::reshape(Value x, const Ints& shape) { return one("Reshape", {x, constant(shape)}); }
Builder::Value Builder::transpose(Value x, const Ints& perm) { return one("Transpose", {x}, {{"perm", perm}}); }
Builder::Value Builder::concat(const std::vector<Value>& values, int64_t axis) {
  return one("Concat", values, {{"axis", axis}});
}
Builder::Value Builder::squeeze(Value x, const Ints& axes) { return one("Squeeze", {x, constant(axes)}); }
Builder::Value Builder::unsqueeze(Value x, const Ints& axes) { return one("Unsqueeze", {x, constant(axes)}); }
Builder::Value Builder::identity(Value x) { return one("Identity", {x}); }
Builder::Value Builder::dropout(Value x) { return one("Dropout", {x}); }

void Builder::output(const Value& value) {
  if (name_of_value(value).empty()) fail("builder", "an absent value", "must not be an output", ErrorCode::usage);
  outputs_.push_back(value);
}

Graph Builder::graph(const std::vector<Value>& outputs) const {
  Graph graph;
  graph.opsets[""] = kNewestOpset;
  graph.ir_version = kIrVersion;
  graph.producer = "tally";
  for (const auto& [value, info] : inputs_) graph.inputs.push_back({name_of_value(value), info.dtype, info.shape});
  for (const auto& [value, tensor] : constants_)
    if (!graph.initializers.emplace(name_of_value(value), tensor).second)
      fail("constant '" + name_of_value(value) + "'", "the name of another constant", "must be its own");
  for (const Value& value : outputs.empty() ? outputs_ : outputs)
    graph.outputs.push_back({name_of_value(value), DType::undefined, {}});
  std::set<std::string> used;
  for (const ValueInfo& output : graph.outputs) used.insert(output.name);
  for (const Pending& pending : nodes_)
    for (const Value& value : pending.inputs) used.insert(name_of_value(value));
  for (const Pending& pending : nodes_) {
    Node node = pending.node;
    node.name = name_of_value(pending.outputs[0]);
    for (const Value& value : pending.inputs) node.inputs.push_back(name_of_value(value));
    for (const Value& value : pending.outputs) {
      const std::string& name = name_of_value(value);
      node.outputs.push_back(pending.outputs_optional && !used.contains(name) ? "" : name);
    }
    while (node.outputs.size() > 1 && node.outputs.back().empty()) node.outputs.pop_back();
    graph.nodes.push_back(std::move(node));
  }
  if (graph.outputs.empty()) fail("graph", "no outputs", "must have at least one", ErrorCode::usage);
  graph.sort_and_check();
  return graph;
}

}  // namespace tally
