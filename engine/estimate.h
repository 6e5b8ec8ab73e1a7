#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/cost.h"
#include "tally/engine/typed_graph.h"

namespace tally {

/// A tensor that a node reads or writes, as its row counts it.
struct EstimatedOperand {
  std::string name;
  DType dtype = DType::undefined;
  Shape shape;
  Role role = Role::free;
  bool constant = false;
  bool shared = false;  ///< a constant that an earlier use has counted in params or buffers
  int64_t bytes = 0;    ///< what it adds to the row's bytes_read, bytes_weights or bytes_written
};

/// Ideal cost of one ONNX node with its operands' sizes: a row of `estimate`. Of an If, Loop or Scan: all that its
/// bodies cost and move, times their runs (of an If: its costliest branch). Params, buffers and constants are those of
/// all its bodies, once. Bodies have no rows of their own.
struct NodeEstimate {
  std::string name, op, scope;
  std::vector<Shape> input_shapes, output_shapes;   ///< of data operands
  std::vector<EstimatedOperand> operands, outputs;  ///< in the node's order, without absent ones
  int64_t params = 0, params_shared = 0, buffers = 0, constants = 0;
  int64_t bytes_read = 0, bytes_weights = 0, bytes_written = 0;
  int64_t output_elements = 0;
  int64_t activation_elements = 0, activation_elements_textbook = 0;  ///< what the row adds to the totals
  int64_t live_bytes = 0;                                             ///< of activations, while it runs
  Cost cost;

  int64_t flops() const { return 2 * cost.macs; }
  int64_t ops_sequential() const { return 2 * cost.macs; }
  int64_t ops_fused() const { return cost.macs + cost.bias_additions; }
  int64_t operations() const { return flops() + cost.elementwise + cost.special + cost.pool_operations; }
  int64_t bytes_compulsory() const { return bytes_read + bytes_weights + bytes_written; }
};

struct EstimateTotals {
  int64_t params = 0, params_shared = 0, buffers = 0, constants = 0;
  int64_t macs = 0, macs_nopad = 0, macs_causal = 0, flops = 0, ops_sequential = 0, ops_fused = 0;
  int64_t comparisons = 0, elementwise = 0, special = 0, operations = 0;
  int64_t bytes_read = 0, bytes_weights = 0, bytes_written = 0, output_elements = 0;
  int64_t bytes_compulsory = 0;  ///< sum over layers
  int64_t bytes_io = 0;          ///< graph inputs, params, buffers, graph outputs, once each
  int64_t activation_elements = 0, activation_elements_textbook = 0;
  int64_t peak_activation_bytes = 0;
  int64_t training_elements = 0;
  double intensity = 0;  ///< operations ÷ bytes_compulsory
};

struct Estimate {
  std::vector<NodeEstimate> layers;
  EstimateTotals totals;
};

/// Analytic costs of a graph; executes nothing. A sum that overflows int64 throws Error(limit).
Estimate estimate_graph(const TypedGraph& graph);

}  // namespace tally
