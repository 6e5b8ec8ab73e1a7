#include "tally/engine/plan_row.h"

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

}  // namespace tally
