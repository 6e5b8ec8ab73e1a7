#pragma once
// A node as counting tools see it: which PyTorch module or function it would be, and the extents that their rules
// multiply.
#include <map>

#include "tally/engine/estimate.h"
#include "tally/engine/graph.h"

namespace tally::tools {

enum class NodeKind {
  conv,            ///< nn.Conv1d … 3d
  conv_transpose,  ///< nn.ConvTranspose1d … 3d
  linear,          ///< nn.Linear: Gemm or MatMul with a constant matrix
  linear_bias,     ///< the Add behind such a MatMul
  matrix_product,  ///< torch.matmul, torch.einsum
  attention,       ///< scaled_dot_product_attention
  recurrent,       ///< nn.RNN, nn.LSTM, nn.GRU
  batch_norm,
  layer_norm,
  group_norm,
  instance_norm,
  embedding,  ///< nn.Embedding: Gather of a constant table
  max_pool,
  average_pool,
  global_average_pool,  ///< nn.AdaptiveAvgPool
  global_max_pool,
  softmax,
  resize,
  other,
};

/// Extents of a recurrent layer.
struct RecurrentExtents {
  int64_t T = 0, B = 0, I = 0, H = 0, D = 0, gates = 0;
};

struct CountedNode {
  const NodeEstimate* row = nullptr;
  const Node* node = nullptr;  ///< as in the file, for its attributes; null for nodes of bodies and functions
  NodeKind kind = NodeKind::other;
  bool has_bias = false;

  int64_t macs() const { return row->cost.macs; }
  /// Elements of the first data operand, and of the first output; 1 where there is none.
  int64_t input_elements() const;
  int64_t output_elements() const;
  Shape input_shape() const;   ///< of the first operand that is no constant; empty where there is none
  Shape output_shape() const;  ///< of the first output
  Shape weight_shape() const;  ///< of the first constant that is a weight; empty where there is none
  int64_t weights() const;     ///< elements of all constants that are weights
  RecurrentExtents recurrent() const;
};

/// Product of extents; Error(limit) where it exceeds 63 bits.
int64_t times(std::initializer_list<int64_t> factors);
/// Product of the extents from `first` on.
int64_t extent_product(const Shape& shape, size_t first = 0);

/// The rows of an estimate in order. `graph`: the model's.
std::vector<CountedNode> counted_nodes(const Estimate& estimate, const Graph& graph);

}  // namespace tally::tools
