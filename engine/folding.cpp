#include "tally/engine/folding.h"

#include <limits>

#include "tally/engine/body.h"
#include "tally/engine/evaluate.h"

namespace tally {

namespace {

/// Constants larger than this keep type and shape only when weights are not evaluated: enough for any shape arithmetic.
constexpr int64_t kShapeElements = 4096;
/// Bodies of constant operands that begin more often are left to run instead of being folded.
constexpr int64_t kFoldedTrips = 1 << 16;
/// The same where data decide the trips: what they may be worth in multiply-accumulates.
constexpr int64_t kFoldedWork = 1'000'000'000;

/// Takes what a folded node costs from the budget. Views share their operand's bytes.
void charge(const TypedNode& node, const std::vector<Operand>& operands, const std::vector<TensorType>& types,
            FoldingBudget& budget) {
  if (node.layer->view_of() >= 0) return;
  const Cost cost = node.layer->cost(operands, types);
  int64_t work = budget.work;
  uint64_t bytes = budget.bytes;
  for (int64_t part : {cost.macs, cost.elementwise, cost.special, cost.pool_operations, cost.comparisons})
    if (__builtin_add_overflow(work, part, &work)) work = std::numeric_limits<int64_t>::max();
  if (const Bodies* bodies = node.layer->bodies())
    if (__builtin_add_overflow(work, work_of(*bodies), &work)) work = std::numeric_limits<int64_t>::max();
  for (const TensorType& type : types) {
    const int64_t elements = element_count(type.shape);
    if (__builtin_add_overflow(work, elements, &work)) work = std::numeric_limits<int64_t>::max();
    bytes += static_cast<uint64_t>(bytes_of(type.dtype, elements));
  }
  if (work > budget.max_work)
    fail(node.layer->label(), text(work, " operations and elements of constants up to here"),
         text("must be at most ", budget.max_work, " (--max-macs)"), ErrorCode::limit);
  if (bytes > budget.max_bytes)
    fail(node.layer->label(), text(bytes, " bytes of computed constants up to here"),
         text("must be at most ", budget.max_bytes, " (--max-memory)"), ErrorCode::limit);
  budget.work = work;
  budget.bytes = static_cast<size_t>(bytes);
}

/// A folded node's values; a limit that computing them meets is the node's.
std::vector<Tensor> computed(const TypedNode& node, const std::vector<Operand>& operands,
                             const std::vector<TensorType>& types, FoldingBudget& budget) {
  const size_t before = budget.bytes;
  charge(node, operands, types, budget);
  try {
    return evaluate(node, operands, types, before, budget.max_bytes, kFoldedWork);
  } catch (const Error& error) {
    if (error.code != ErrorCode::limit) throw;
    throw Error(error.code, node.layer->label(), error.found, error.required);
  }
}

}  // namespace

std::vector<Tensor> fold(const TypedNode& node, const std::vector<Operand>& operands,
                         const std::vector<TensorType>& types, const Binding& binding) {
  if (std::vector<Tensor> values = node.layer->values_from_types(operands, types); !values.empty()) return values;
  if (const Bodies* bodies = node.layer->bodies(); bodies != nullptr && trips_of(*bodies) > kFoldedTrips) return {};
  if (operands.empty()) return {};
  bool known = true, small = true;
  for (const Operand& operand : operands) {
    if (!operand.present) continue;
    if (operand.constant == nullptr) return {};
    known = known && operand.constant->has_data();
    small = small && operand.constant->elements() <= kShapeElements;
  }
  for (const TensorType& type : types) small = small && element_count(type.shape) <= kShapeElements;
  if (known && (binding.evaluate_weights || small)) return computed(node, operands, types, *binding.folding);
  std::vector<Tensor> values;
  for (const TensorType& type : types) values.push_back(Tensor::without_data(type.dtype, type.shape));
  return values;
}

}  // namespace tally
