#pragma once
// Comparisons and logic by loops that a compiler vectorises: one for each operator and element type.
#include <string_view>

#include "tally/layers/pointwise_host.h"

namespace tally {

/// True where add_truth_pair serves operands of this type: Equal, Less, LessOrEqual, Greater and GreaterOrEqual of
/// integers, float32 and float64, And, Or, Xor and Equal of booleans.
bool serves_truth_pair(std::string_view op, DType type);

/// y = op(a, b), booleans over a dense y; `op` and the operands' type must be served.
void add_truth_pair(Preparation& preparation, std::string_view op, const PointwiseOperand& a, const PointwiseOperand& b,
                    const Placement& y, double cycles);

/// y[i] = not x[i] of n booleans.
void add_negation(Preparation& preparation, const PointwiseOperand& x, BufferId y, int64_t n, double cycles);

}  // namespace tally
