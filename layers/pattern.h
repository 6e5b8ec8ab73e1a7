#pragma once
// What rules share that recognise a sub-graph and put one layer in its place.
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/rewrite.h"

namespace tally {

/// A walk over the nodes around a value; remembers those that the pattern takes.
class Match {
 public:
  explicit Match(Rewriter& rewriter) : rewriter_(rewriter) {}

  /// The node that computes `id`, where it is an `op` with one output; else −1.
  int made_by(ValueId id, const char* op) const;
  /// The only reader of a value, where it is an `op` with one output; else −1.
  int read_by(ValueId id, const char* op) const;
  /// The one operand of an elementwise node of two that is not `id`; kAbsent where neither or both are.
  ValueId other(int node, ValueId id) const;
  /// The value of a constant of one element.
  std::optional<double> scalar(ValueId id) const;
  /// True where `id` is a constant of one element, within 1e-6 of `value` relative to it.
  bool is(ValueId id, double value) const;

  ValueId out(int node) const { return rewriter_.node(node).outputs[0]; }
  ValueId in(int node, size_t i) const { return rewriter_.node(node).inputs[i]; }
  size_t inputs(int node) const { return rewriter_.node(node).inputs.size(); }
  const Shape& shape(ValueId id) const { return rewriter_.value(id).shape; }
  DType dtype(ValueId id) const { return rewriter_.value(id).dtype; }

  void take(int node) { nodes_.push_back(node); }
  size_t taken() const { return nodes_.size(); }
  void give_back(size_t count) { nodes_.resize(count); }

  /// True where the node does what its operator says and no more: it has absorbed no activation.
  bool bare(int node) const;
  /// True where all taken nodes are bare and no value between them is read elsewhere or put out, those of `last` aside.
  bool closed(int last) const;

  /// True where `layer` takes these operands and makes of them what node `last` puts out.
  bool gives_output(const Layer& layer, const std::vector<ValueId>& inputs, int last) const;

  /// Node `last`, the latest of the taken ones, becomes `layer` of `op` with these operands and answers for all of
  /// them.
  void replace(int last, std::string op, std::shared_ptr<const Layer> layer, std::vector<ValueId> inputs);

 private:
  Rewriter& rewriter_;
  std::vector<int> nodes_;
};

/// The layer of a node that no file has, named like node `like`; null where the registry does not know the operator.
std::shared_ptr<const Layer> layer_like(Rewriter& rewriter, int like, std::string op, int opset,
                                        std::map<std::string, Attribute> attributes,
                                        const std::vector<ValueId>& inputs);

}  // namespace tally
