#pragma once
// The graph as a model states it, before anything is known of shapes or layers. ONNX files and tally::Builder make the
// same one.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tally/engine/shape.h"
#include "tally/engine/tensor.h"

namespace tally {

struct Graph;

/// An attribute's value. Graphs are the bodies of If, Loop and Scan.
using Attribute = std::variant<float, int64_t, std::string, Tensor, std::shared_ptr<const Graph>, std::vector<float>,
                               std::vector<int64_t>, std::vector<std::string>>;

struct Node {
  std::string name;                  ///< as in the file, or its first output's name where it has none
  std::string op;                    ///< operator type, e.g. "Conv"
  std::string domain;                ///< "" for ai.onnx
  std::string scope;                 ///< where the exporter says that it belongs, e.g. "/features/0"; or empty
  std::vector<std::string> inputs;   ///< "" where an optional input is absent
  std::vector<std::string> outputs;  ///< "" where an optional output is not wanted
  std::map<std::string, Attribute> attributes;
  int opset = 0;  ///< version of the domain that the model imports

  /// `Conv 'c3'`: how errors name a node.
  std::string label() const { return op + " '" + name + "'"; }

  // Attribute access; a present attribute of another type throws Error(model).
  bool has(const std::string& key) const { return attributes.contains(key); }
  int64_t get_int(const std::string& key, int64_t fallback) const;
  float get_float(const std::string& key, float fallback) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> get_ints(const std::string& key, std::vector<int64_t> fallback = {}) const;
  std::vector<float> get_floats(const std::string& key, std::vector<float> fallback = {}) const;
  const Tensor* get_tensor(const std::string& key) const;                ///< null where absent
  std::shared_ptr<const Graph> get_graph(const std::string& key) const;  ///< null where absent
};

/// A graph input or output as declared.
struct ValueInfo {
  std::string name;
  DType dtype = DType::undefined;
  std::optional<std::vector<Dim>> shape;  ///< nothing: rank unknown
};

struct Graph {
  std::string name;
  std::vector<ValueInfo> inputs;  ///< without those that have an initialiser
  std::vector<ValueInfo> outputs;
  std::map<std::string, Tensor> initializers;
  std::vector<Node> nodes;            ///< in topological order
  std::map<std::string, int> opsets;  ///< domain → version
  std::string producer;
  int64_t ir_version = 0;

  /// Puts the nodes in topological order and checks it: every input is produced once, before use, by a node, an
  /// initialiser or a graph input. Throws Error(model) on a cycle, a duplicate or a dangling name. Iterative: a chain
  /// of 100,000 nodes is fine.
  void sort_and_check();
  /// The same for the body of an If, Loop or Scan, which may also read names of the graphs around it.
  void sort_and_check_body();
};

/// What a body reads from the graphs around it, each name once, in order of first use.
std::vector<std::string> captured_names(const Graph& body);

/// All that a node reads: its inputs, "" for absent ones, and behind them what its bodies read from the graphs around,
/// each name once. The operands of a node with bodies, in this order.
std::vector<std::string> operand_names(const Node& node);

/// Nodes of a graph, those of bodies included.
int64_t nodes_within(const Graph& graph);
/// The same of a node's bodies.
int64_t nodes_within_bodies(const Node& node);

}  // namespace tally
