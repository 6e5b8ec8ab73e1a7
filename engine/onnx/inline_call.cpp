#include "tally/engine/onnx/read_graph.h"
#include "tally/engine/onnx/scope_name.h"

namespace tally::onnx {
namespace {

/// Functions that call others twice grow exponentially; no exporter comes near this.
constexpr int kMaxInlinedNodes = 1 << 18;

}  // namespace

std::string function_key(const std::string& domain, const std::string& name, const std::string& overload) {
  return domain + '\0' + name + '\0' + overload;
}

std::string GraphReader::unique_prefix(const std::string& call) {
  std::string prefix = call;
  for (int i = 1; !prefixes_.insert(prefix).second; ++i) prefix = text(call, "#", i);
  reading_.budget.charge_string(2 * prefix.size());
  return prefix;
}

/// Decodes the function's nodes into `graph` under the names of the call. Values that the function keeps to itself are
/// prefixed with the call's name.
void GraphReader::inline_call(const Function& function, const Node& call, int depth, Graph& graph) {
  if (depth > kMaxDepth)
    fail("", text("calls nested ", depth, " deep"), text("must be at most ", kMaxDepth), ErrorCode::limit);
  if (call.inputs.size() > function.inputs.size())
    fail("", text(call.inputs.size(), " inputs"), text("must be at most ", function.inputs.size(), " of the function"));
  if (call.outputs.size() > function.outputs.size())
    fail("", text(call.outputs.size(), " outputs"),
         text("must be at most ", function.outputs.size(), " of the function"));
  inlined_nodes_ += 1 + static_cast<int>(function.nodes.size());
  if (inlined_nodes_ > kMaxInlinedNodes)
    fail("", text("functions of more than ", kMaxInlinedNodes, " nodes when inlined"), "must be fewer",
         ErrorCode::limit);

  const std::string prefix = unique_prefix(call.name);
  Naming naming;
  naming.opsets = &function.opsets;
  naming.in_function = true;
  naming.value_prefix = prefix + "::";
  naming.node_prefix = prefix + "/";
  naming.scope = as_scope(call.name);
  naming.arguments = call.attributes;
  for (data_view message : function.attribute_defaults) {
    std::map<std::string, Attribute> fallback;
    read_attribute(message, naming, depth, fallback);
    naming.arguments.merge(fallback);
  }
  for (size_t i = 0; i < function.inputs.size(); ++i)
    naming.actual[function.inputs[i]] = i < call.inputs.size() ? call.inputs[i] : "";
  for (size_t i = 0; i < call.outputs.size(); ++i) {
    if (call.outputs[i].empty()) continue;
    const auto [formal, fresh] = naming.actual.emplace(function.outputs[i], call.outputs[i]);
    if (fresh) continue;
    // The function hands an input through, or one value twice: the second name is a copy.
    Node copy;
    copy.name = call.outputs[i];
    copy.op = "Identity";
    copy.scope = naming.scope;
    copy.inputs = {formal->second};
    copy.outputs = {call.outputs[i]};
    const auto opset = function.opsets.find("");
    copy.opset = opset == function.opsets.end() ? 0 : opset->second;
    graph.nodes.push_back(std::move(copy));
  }
  for (data_view node : function.nodes) read_node(node, naming, depth, graph);
}

}  // namespace tally::onnx
