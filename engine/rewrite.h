#pragma once
#include "tally/engine/typed_graph.h"

namespace tally {

/// What a rewrite rule may ask and do. Rules are declared by layers and know nothing of each other; the engine applies
/// them until none matches.
class Rewriter {
 public:
  explicit Rewriter(TypedGraph& graph);

  TypedGraph& graph() { return graph_; }
  TypedNode& node(int index) { return graph_.nodes[static_cast<size_t>(index)]; }
  TypedValue& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }

  /// The node that computes a value, or -1 (inputs, constants).
  int producer(ValueId id) const;
  /// The one live node that reads a value, if it is read once in all and no graph output; else -1.
  int sole_consumer(ValueId id) const;
  /// Every live node that reads a value, once an operand that reads it; a graph output is none.
  std::span<const int> consumers(ValueId id) const;
  bool is_output(ValueId id) const;
  /// The constant's tensor with data, or null.
  const Tensor* constant(ValueId id) const;

  /// A new constant; `source` names it for counting.
  ValueId add_constant(Tensor tensor, std::string name);

  /// Node `index` gets `layer` and `inputs`, and takes over `absorbed` (a producer or consumer that dies), whose
  /// estimate rows it then stands for. Outputs become the absorbed consumer's where `take_outputs`.
  void absorb(int index, int absorbed, std::shared_ptr<const Layer> layer, std::vector<ValueId> inputs,
              bool take_outputs);
  /// Removes a node that does nothing: its output's readers read its input `input` instead. Its rows go to the node
  /// that computes that input, or else to a reader.
  void bypass(int index, int input);

  // Where rules change the order of nodes.
  /// A new value that a node is to compute.
  ValueId add_value(std::string name, DType dtype, Shape shape);
  /// Puts `with` in the place of node `index`. Its inputs must be computed before that place.
  void replace(int index, TypedNode with);
  /// Removes a node whose output nobody reads any more; its rows go to node `heir`.
  void remove(int index, int heir);

  /// Applies the rules, stage after stage, until none matches.
  void run(std::span<const RewriteRule> rules);

 private:
  void index_uses();
  ValueId add(TypedValue value);
  /// Node `index` reads and computes nothing any more.
  void unlink(int index);
  /// Applies the rules of one stage once to every node; true where one matched.
  bool apply(std::span<const RewriteRule> rules, int stage);
  TypedGraph& graph_;
  std::vector<int> producer_;
  std::vector<std::vector<int>> consumers_;
};

}  // namespace tally
