#include "tally/layers/pattern.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tally/layers/absorb.h"
#include "tally/layers/registry.h"

namespace tally {

int Match::made_by(ValueId id, const char* op) const {
  const int node = rewriter_.producer(id);
  if (node < 0 || rewriter_.node(node).op != op || rewriter_.node(node).outputs.size() != 1) return -1;
  return node;
}

int Match::read_by(ValueId id, const char* op) const {
  const int node = rewriter_.sole_consumer(id);
  if (node < 0 || rewriter_.node(node).op != op || rewriter_.node(node).outputs.size() != 1) return -1;
  return node;
}

ValueId Match::other(int node, ValueId id) const {
  const std::vector<ValueId>& in = rewriter_.node(node).inputs;
  if (in.size() != 2 || (in[0] == id) == (in[1] == id)) return kAbsent;
  return in[0] == id ? in[1] : in[0];
}

std::optional<double> Match::scalar(ValueId id) const {
  const Tensor* tensor = rewriter_.constant(id);
  if (!tensor || tensor->elements() != 1 || bits_of(tensor->dtype()) < 8 || tensor->dtype() == DType::complex64 ||
      tensor->dtype() == DType::complex128)
    return {};
  return tensor->to_double()[0];
}

bool Match::is(ValueId id, double value) const {
  const std::optional<double> found = scalar(id);
  return found && std::abs(*found - value) <= 1e-6 * std::abs(value);
}

bool Match::bare(int node) const {
  const auto* taker = dynamic_cast<const TakesEpilogue*>(rewriter_.node(node).layer.get());
  return !taker || !taker->has_epilogue();
}

bool Match::closed(int last) const {
  const std::set<int> inside(nodes_.begin(), nodes_.end());
  for (int node : inside) {
    if (!bare(node)) return false;
    if (node == last) continue;
    for (ValueId id : rewriter_.node(node).outputs) {
      if (id == kAbsent) continue;
      if (rewriter_.is_output(id)) return false;
      for (int reader : rewriter_.consumers(id))
        if (!inside.contains(reader)) return false;
    }
  }
  return true;
}

bool Match::gives_output(const Layer& layer, const std::vector<ValueId>& inputs, int last) const {
  TypedNode typed;
  typed.inputs = inputs;
  try {
    const std::vector<TensorType> types = layer.infer(rewriter_.graph().operands(typed));
    const TypedValue& out = rewriter_.value(rewriter_.node(last).outputs[0]);
    return !types.empty() && types[0].dtype == out.dtype && types[0].shape == out.shape;
  } catch (const Error&) {
    return false;
  }
}

void Match::replace(int last, std::string op, std::shared_ptr<const Layer> layer, std::vector<ValueId> inputs) {
  std::set<int> inside(nodes_.begin(), nodes_.end());
  inside.erase(last);
  for (int node : inside) rewriter_.absorb(last, node, layer, inputs, false);
  rewriter_.node(last).op = std::move(op);
}

std::shared_ptr<const Layer> layer_like(Rewriter& rewriter, int like, std::string op, int opset,
                                        std::map<std::string, Attribute> attributes,
                                        const std::vector<ValueId>& inputs) {
  Node node;
  node.name = rewriter.node(like).name;
  node.op = std::move(op);
  node.opset = opset;
  node.attributes = std::move(attributes);
  for (ValueId id : inputs) node.inputs.push_back(id == kAbsent ? "" : rewriter.value(id).name);
  node.outputs = {rewriter.value(rewriter.node(like).outputs[0]).name};
  if (!registry().knows(node)) return nullptr;
  return registry().make(node);
}

}  // namespace tally
