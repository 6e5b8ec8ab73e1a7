#pragma once
// The rows that would run, without planning: rewriting alone, which needs no weights' values. For predicting times of
// machines that are not here.
#include <span>
#include <string>
#include <vector>

#include "tally/engine/rewrite.h"
#include "tally/engine/typed_graph.h"

namespace tally {

/// One layer with the ONNX nodes that it has absorbed.
struct FusedRow {
  std::string name, op;
  std::vector<int> origins;                   ///< rows of the estimate, its own first
  DType dtype = DType::f32;                   ///< of its first output
  int64_t macs = 0;                           ///< sums over the origins
  int64_t elementwise = 0;                    ///< operations beside MACs: elementwise, special, pooling
  int64_t bytes_weights = 0;                  ///< sum over the origins
  int64_t bytes_read = 0, bytes_written = 0;  ///< activations, what stays between absorbed nodes left out

  int64_t bytes() const { return bytes_weights + bytes_read + bytes_written; }
};

/// Views, which run nothing, have no row. Where weights have no values (estimates), what would need them stays
/// unabsorbed: a BatchNormalization behind a convolution.
std::vector<FusedRow> fused_rows(TypedGraph graph, std::span<const RewriteRule> rules);

}  // namespace tally
