#pragma once
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tally/engine/graph.h"
#include "tally/engine/onnx/decode_tensor.h"

namespace tally::onnx {

using Opsets = std::map<std::string, int>;

/// Graphs within graphs and calls within calls: deeper is no model but an attack on the stack.
inline constexpr int kMaxDepth = 64;

/// "ai.onnx" is another spelling of "".
std::string canonical_domain(std::string domain);

/// A function of the model (FunctionProto), its nodes still undecoded: a call decodes them under its own names.
struct Function {
  std::vector<std::string> inputs, outputs;
  std::vector<data_view> nodes;
  std::vector<data_view> attribute_defaults;
  Opsets opsets;
};
/// By function_key().
using Functions = std::map<std::string, Function>;
std::string function_key(const std::string& domain, const std::string& name, const std::string& overload);

/// Under which names, versions and attribute values nodes are decoded: as the file has them, or inside a call.
struct Naming {
  const Opsets* opsets = nullptr;
  bool in_function = false;
  std::unordered_map<std::string, std::string> actual;  ///< the function's inputs and outputs → names at the call
  std::string value_prefix, node_prefix;                ///< of all other names
  std::string scope;                                    ///< of nodes that state none
  std::map<std::string, Attribute> arguments;           ///< of the call, for ref_attr_name

  std::string value_name(const std::string& name) const;
};

/// Decodes graphs, nodes and attributes. One object a model.
class GraphReader {
 public:
  GraphReader(Reading& reading, const Functions& functions) : reading_(reading), functions_(functions) {}

  /// Adds what a GraphProto holds to `graph` and sorts it. `depth`: how many graphs and calls enclose it.
  void read_graph(data_view message, const Naming& naming, int depth, Graph& graph);

 private:
  struct RawNode;
  RawNode read_node_fields(data_view message, const Naming& naming);
  void read_node(data_view message, const Naming& naming, int depth, Graph& graph);
  void add_constant(const Node& node, Graph& graph);
  void add_initializer(std::string name, Tensor tensor, Graph& graph);
  void inline_call(const Function& function, const Node& call, int depth, Graph& graph);
  std::string unique_prefix(const std::string& call);
  /// Adds the attribute to the node's, unless it refers to an argument that the call leaves out.
  void read_attribute(data_view message, const Naming& naming, int depth, std::map<std::string, Attribute>& attributes);

  Reading& reading_;
  const Functions& functions_;
  std::set<std::string> prefixes_;
  int inlined_nodes_ = 0;
};

/// A ValueInfoProto. Throws Error(model) naming it where it is no tensor.
ValueInfo read_value_info(data_view message, Budget& budget);

}  // namespace tally::onnx
