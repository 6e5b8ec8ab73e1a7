#include "tally/engine/rewrite.h"

#include <algorithm>

namespace tally {

Rewriter::Rewriter(TypedGraph& graph) : graph_(graph) { index_uses(); }

void Rewriter::index_uses() {
  producer_.assign(graph_.values.size(), -1);
  consumers_.assign(graph_.values.size(), {});
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const TypedNode& node = graph_.nodes[i];
    if (node.dead) continue;
    for (ValueId id : node.outputs)
      if (id != kAbsent) producer_[static_cast<size_t>(id)] = static_cast<int>(i);
    for (ValueId id : node.inputs)
      if (id != kAbsent) consumers_[static_cast<size_t>(id)].push_back(static_cast<int>(i));
  }
}

int Rewriter::producer(ValueId id) const { return id == kAbsent ? -1 : producer_[static_cast<size_t>(id)]; }

int Rewriter::sole_consumer(ValueId id) const {
  if (id == kAbsent || is_output(id)) return -1;
  const std::vector<int>& readers = consumers_[static_cast<size_t>(id)];
  return readers.size() == 1 ? readers[0] : -1;
}

std::span<const int> Rewriter::consumers(ValueId id) const { return consumers_[static_cast<size_t>(id)]; }

bool Rewriter::is_output(ValueId id) const {
  return std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
}

const Tensor* Rewriter::constant(ValueId id) const {
  if (id == kAbsent) return nullptr;
  const TypedValue& value = graph_.values[static_cast<size_t>(id)];
  return value.constant && value.constant->has_data() ? &*value.constant : nullptr;
}

ValueId Rewriter::add(TypedValue value) {
  graph_.values.push_back(std::move(value));
  producer_.push_back(-1);
  consumers_.emplace_back();
  return static_cast<ValueId>(graph_.values.size() - 1);
}

ValueId Rewriter::add_constant(Tensor tensor, std::string name) {
  return add({name, tensor.dtype(), tensor.shape(), std::move(tensor), name});
}

ValueId Rewriter::add_value(std::string name, DType dtype, Shape shape) {
  return add({std::move(name), dtype, std::move(shape), {}, {}});
}

namespace {

void take_rows(TypedNode& node, const TypedNode& absorbed) {
  node.origins.insert(node.origins.end(), absorbed.origins.begin(), absorbed.origins.end());
  std::sort(node.origins.begin(), node.origins.end());
}

void drop(std::vector<int>& list, int index) { list.erase(std::remove(list.begin(), list.end(), index), list.end()); }

}  // namespace

void Rewriter::absorb(int index, int absorbed, std::shared_ptr<const Layer> layer, std::vector<ValueId> inputs,
                      bool take_outputs) {
  TypedNode& keep = node(index);
  TypedNode& gone = node(absorbed);
  for (ValueId id : keep.inputs)
    if (id != kAbsent) drop(consumers_[static_cast<size_t>(id)], index);
  for (ValueId id : gone.inputs)
    if (id != kAbsent) drop(consumers_[static_cast<size_t>(id)], absorbed);
  keep.layer = std::move(layer);
  keep.inputs = std::move(inputs);
  for (ValueId id : keep.inputs)
    if (id != kAbsent) consumers_[static_cast<size_t>(id)].push_back(index);
  if (take_outputs) {
    for (ValueId id : keep.outputs)
      if (id != kAbsent) producer_[static_cast<size_t>(id)] = -1;
    keep.outputs = gone.outputs;
    for (ValueId id : keep.outputs)
      if (id != kAbsent) producer_[static_cast<size_t>(id)] = index;
  } else {
    for (ValueId id : gone.outputs)
      if (id != kAbsent && producer_[static_cast<size_t>(id)] == absorbed) producer_[static_cast<size_t>(id)] = -1;
  }
  take_rows(keep, gone);
  gone.dead = true;
  // A residual may be computed between the two: the kept node moves to the later place.
  if (take_outputs && absorbed > index) {
    std::swap(keep, gone);
    for (ValueId id : node(absorbed).inputs)
      if (id != kAbsent)
        for (int& reader : consumers_[static_cast<size_t>(id)])
          if (reader == index) reader = absorbed;
    for (ValueId id : node(absorbed).outputs)
      if (id != kAbsent) producer_[static_cast<size_t>(id)] = absorbed;
  }
}

void Rewriter::bypass(int index, int input) {
  TypedNode& gone = node(index);
  const ValueId from = gone.outputs[0];
  const ValueId to = gone.inputs[static_cast<size_t>(input)];
  for (ValueId id : gone.inputs)
    if (id != kAbsent) drop(consumers_[static_cast<size_t>(id)], index);
  std::vector<int> readers = std::move(consumers_[static_cast<size_t>(from)]);
  consumers_[static_cast<size_t>(from)].clear();
  for (int reader : readers) {
    for (ValueId& id : node(reader).inputs)
      if (id == from) id = to;
    consumers_[static_cast<size_t>(to)].push_back(reader);
  }
  for (ValueId& id : graph_.outputs)
    if (id == from) id = to;
  producer_[static_cast<size_t>(from)] = -1;
  gone.dead = true;
  if (const int made_by = producer(to); made_by >= 0)
    take_rows(node(made_by), gone);
  else if (!readers.empty())
    take_rows(node(readers[0]), gone);
}

void Rewriter::unlink(int index) {
  const TypedNode& old = node(index);
  for (ValueId id : old.inputs)
    if (id != kAbsent) drop(consumers_[static_cast<size_t>(id)], index);
  for (ValueId id : old.outputs)
    if (id != kAbsent && producer_[static_cast<size_t>(id)] == index) producer_[static_cast<size_t>(id)] = -1;
}

void Rewriter::replace(int index, TypedNode with) {
  unlink(index);
  for (ValueId id : with.inputs)
    if (id != kAbsent) consumers_[static_cast<size_t>(id)].push_back(index);
  for (ValueId id : with.outputs)
    if (id != kAbsent) producer_[static_cast<size_t>(id)] = index;
  node(index) = std::move(with);
}

void Rewriter::remove(int index, int heir) {
  unlink(index);
  take_rows(node(heir), node(index));
  node(index).dead = true;
}

void Rewriter::run(std::span<const RewriteRule> rules) {
  int last_stage = 0;
  for (const RewriteRule& rule : rules) last_stage = std::max(last_stage, rule.stage);
  for (int stage = 1; stage <= last_stage;) stage = apply(rules, stage) ? 1 : stage + 1;
}

bool Rewriter::apply(std::span<const RewriteRule> rules, int stage) {
  bool changed = false;
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    for (const RewriteRule& rule : rules) {
      if (graph_.nodes[i].dead) break;
      if (rule.stage != stage) continue;
      while (!graph_.nodes[i].dead && rule.apply(*this, static_cast<int>(i))) changed = true;
    }
  }
  return changed;
}

}  // namespace tally
