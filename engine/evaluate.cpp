#include "tally/engine/evaluate.h"

#include <cstring>

#include "tally/engine/plan.h"

namespace tally {

std::vector<Tensor> evaluate(const TypedNode& node, const std::vector<Operand>& operands,
                             const std::vector<TensorType>& types, size_t folded_bytes, size_t max_memory,
                             int64_t max_work) {
  if (const int view = node.layer->view_of(); view >= 0)
    return {operands[static_cast<size_t>(view)].constant->reshaped(types[0].shape)};
  // A graph of this node alone, its operands constants still: a layer may need their values, and none is an input.
  TypedGraph graph;
  graph.folded_bytes = folded_bytes;
  TypedNode copy = node;
  copy.origins = {0};
  copy.inputs.clear();
  copy.outputs.clear();
  for (const Operand& operand : operands) {
    if (!operand.present) {
      copy.inputs.push_back(kAbsent);
      continue;
    }
    copy.inputs.push_back(static_cast<ValueId>(graph.values.size()));
    graph.values.push_back({operand.name, operand.dtype, operand.shape, *operand.constant, operand.name});
  }
  for (size_t i = 0; i < types.size(); ++i) {
    copy.outputs.push_back(static_cast<ValueId>(graph.values.size()));
    graph.outputs.push_back(copy.outputs.back());
    graph.output_names.push_back(text("output ", i));
    graph.values.push_back({text("output ", i), types[i].dtype, types[i].shape, {}, {}});
  }
  graph.nodes.push_back(std::move(copy));
  PlanOptions options;
  options.isa = Isa::scalar;
  options.rewrite = false;
  options.max_memory = max_memory;
  const std::shared_ptr<const Plan> plan = make_plan(std::move(graph), {}, options);

  AlignedBuffer arena(static_cast<int64_t>(plan->arena_bytes) + 64);
  std::vector<Tensor> results;
  for (const PlanOutput& output : plan->outputs) results.emplace_back(output.type.dtype, output.type.shape);
  BufferTable table;
  for (const BufferInfo& info : plan->buffers)
    table.address.push_back(info.kind == BufferKind::weights ? const_cast<std::byte*>(info.data)
                                                             : arena.data() + info.offset);
  for (size_t i = 0; i < results.size(); ++i)
    if (results[i].elements() > 0)
      table.address[static_cast<size_t>(plan->outputs[i].buffer)] = static_cast<std::byte*>(results[i].mutable_data());
  TripBudget trips{max_work};
  const RunEnv env{&kernel_table(Isa::scalar, false), nullptr, 0, &trips};
  for (const PlannedStep& step : plan->steps) step.step->bind(table)->run(env, 0, step.step->items);
  if (trips.ended != nullptr) return {};
  return results;
}

}  // namespace tally
