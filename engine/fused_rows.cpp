#include "tally/engine/fused_rows.h"

#include "tally/engine/estimate.h"
#include "tally/engine/plan_row.h"

namespace tally {

std::vector<FusedRow> fused_rows(TypedGraph graph, std::span<const RewriteRule> rules) {
  const Estimate estimate = estimate_graph(graph);
  Rewriter(graph).run(rules);
  std::vector<FusedRow> rows;
  for (const TypedNode& node : graph.nodes) {
    if (node.dead || !node.layer || node.layer->view_of() >= 0) continue;
    FusedRow row;
    row.name = node.name;
    row.op = node.op;
    row.origins = node.origins;
    Ideal ideal;
    for (const int origin : node.origins) {
      const NodeEstimate& e = estimate.layers[static_cast<size_t>(origin)];
      add_ideal(ideal, e);
      row.elementwise += e.cost.elementwise + e.cost.special + e.cost.pool_operations;
    }
    const std::vector<Operand> in = graph.operands(node);
    const std::vector<TensorType> out = graph.output_types(node);
    if (!out.empty()) row.dtype = out[0].dtype;
    const MovedBytes moved = moved_bytes(node, in, out, ideal);
    row.macs = ideal.macs;
    row.bytes_weights = ideal.bytes_weights;
    row.bytes_read = moved.read;
    row.bytes_written = moved.written;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tally
