#include "tally/engine/plan_row.h"

#include <set>

namespace tally {

void describe_operands(PlanRow& row, const TypedNode& node, const Candidate& candidate, Operands in,
                       std::span<const TensorType> out) {
  for (const Operand& operand : in)
    if (operand.present && operand.constant == nullptr) row.input_shapes.push_back(operand.shape);
  row.dtype = DType::undefined;
  for (size_t k = 0; k < out.size(); ++k) {
    if (node.outputs[k] == kAbsent) continue;
    row.output_shapes.push_back(out[k].shape);
    if (row.dtype == DType::undefined) row.dtype = out[k].dtype;
  }
  const auto name = [](const std::vector<Layout>& layouts) {
    return layouts.empty() || layouts[0] == Layout::plain ? "plain" : "channels_last";
  };
  row.layouts = std::string(name(candidate.inputs)) + "→" + name(candidate.outputs);
}

void add_ideal(Ideal& ideal, const NodeEstimate& node) {
  ideal.macs += node.cost.macs;
  ideal.bytes_read += node.bytes_read;
  ideal.bytes_weights += node.bytes_weights;
  ideal.bytes_written += node.bytes_written;
}

MovedBytes moved_bytes(const TypedNode& node, Operands in, std::span<const TensorType> out, const Ideal& ideal) {
  const auto dense_bytes = [](DType type, const Shape& shape) { return bytes_of(type, element_count(shape)); };
  MovedBytes moved;
  std::set<ValueId> seen;
  for (size_t k = 0; k < in.size(); ++k) {
    if (!in[k].present || in[k].constant || node.layer->role(static_cast<int>(k), in) == Role::state ||
        !seen.insert(node.inputs[k]).second)
      continue;
    const int64_t used = node.layer->bytes_used(static_cast<int>(k), in, out);
    moved.read += used < 0 ? dense_bytes(in[k].dtype, in[k].shape) : used;
  }
  for (size_t k = 0; k < out.size(); ++k)
    if (node.outputs[k] != kAbsent) moved.written += dense_bytes(out[k].dtype, out[k].shape);
  // Of the layer as it runs: an absorbed Pad has made more taps fall on padding.
  const Cost cost = node.layer->cost(in, out);
  moved.padding_macs = ideal.macs - cost.macs_nopad;
  moved.masked_macs = cost.macs_masked;
  return moved;
}

}  // namespace tally
