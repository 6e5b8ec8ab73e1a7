#pragma once
// The graph with every extent known, a layer for every node, constants folded and dead nodes gone: what is estimated,
// rewritten and planned.
#include <map>
#include <optional>
#include <set>

#include "tally/engine/layer.h"

namespace tally {

using ValueId = int;
inline constexpr ValueId kAbsent = -1;

struct TypedValue {
  std::string name;
  DType dtype = DType::undefined;
  Shape shape;
  std::optional<Tensor> constant;
  std::string source;        ///< of a constant: the tensor that it is, for counting params once
  std::string unknown = {};  ///< why type and shape are not known (Binding::allow_unknown); empty: they are
};

struct TypedNode {
  std::shared_ptr<const Layer> layer;
  std::string name, op, scope;
  std::vector<ValueId> inputs;   ///< kAbsent for absent ones
  std::vector<ValueId> outputs;  ///< kAbsent for unwanted ones
  std::vector<int> origins;      ///< rows of the estimate that this node stands for
  bool dead = false;             ///< absorbed or removed by a rewrite
};

struct TypedGraph {
  std::vector<TypedValue> values;
  std::vector<TypedNode> nodes;  ///< topological order
  std::vector<ValueId> inputs, outputs;
  std::vector<std::string> output_names;
  size_t folded_bytes = 0;  ///< of computed constants

  std::vector<Operand> operands(const TypedNode& node) const;
  std::vector<TensorType> output_types(const TypedNode& node) const;
};

/// What computing constants may cost, and has cost so far.
struct FoldingBudget {
  int64_t max_work = 100'000'000'000;  ///< multiply-accumulates, other operations, comparisons and elements written
  size_t max_bytes = size_t{2} << 30;  ///< of results
  int64_t work = 0;
  size_t bytes = 0;
};

/// What is known of a run before planning it.
struct Binding {
  std::map<std::string, int64_t> dims;          ///< symbolic dimensions
  std::map<std::string, Shape> shapes;          ///< of inputs whose declaration leaves some open
  std::map<std::string, Tensor> values;         ///< of shape-carrying inputs
  bool evaluate_weights = true;                 ///< false (estimate): large constants keep type and shape only
  int64_t max_tensor_bytes = int64_t{1} << 40;  ///< of any one tensor
  int64_t max_trips = kDefaultMaxWork;          ///< of all loops in one inference
  /// Copies share it, so that graphs within graphs draw on one account.
  std::shared_ptr<FoldingBudget> folding = std::make_shared<FoldingBudget>();
  bool allow_unknown = false;  ///< unknown operators, and all that follows them, become layers of unknown cost
};

/// Names that a graph does not compute and whose values planning needs: those that reach an operand with needs_value().
/// What the registry cannot make needs no values: where that matters, typing says so.
std::set<std::string> names_needed(const Graph& graph, const Registry& registry);

/// Names of the graph inputs whose values planning needs: those that reach an operand with needs_value().
/// Operators that the registry does not know throw Error(model), or with `allow_unknown` need no values.
std::vector<std::string> shape_carrying_inputs(const Graph& graph, const Registry& registry,
                                               bool allow_unknown = false);

/// Throws Error(model) naming what is missing or contradictory.
TypedGraph type_graph(const Graph& graph, const Registry& registry, const Binding& binding);

}  // namespace tally
