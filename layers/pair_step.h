#pragma once
// One elementwise step y = activation(a op b): how its operands lie, what it is planned to cost, how it runs.
#include "tally/layers/broadcast_loops.h"

namespace tally {

/// An operand of a pair, its shape brought to the result's rank, as it will lie beside a result in some layout.
/// Constants are packed for channels_last: N, spatial…, C with C padded like the result's, dimensions that they
/// broadcast left at 1.
struct PairOperand {
  Aligned aligned;
  BufferId buffer = -1;
  bool constant = false;
};

/// `shape` with leading ones up to `rank`.
Shape with_leading_ones(const Shape& shape, size_t rank);

/// True where the result and all data operands may lie channels_last: float32, more than one channel, equal ranks.
bool may_meet_channels_last(Operands in, const TensorType& out);

/// How operand `x` of shape `aligned` will lie beside a result at `y`; without a buffer.
PairOperand expected_pair_operand(const Operand& x, const Shape& aligned, const Placement& y, int64_t channel_pad);

/// The same as it does lie: input `input` of the layer being prepared, constants packed where they must be.
PairOperand place_pair_operand(Preparation& preparation, int input, const Shape& aligned, const Placement& y);

/// Planned cycles of the step.
double pair_cycles(const Geometry& geometry, BinaryOp op, const PairOperand& a, const PairOperand& b,
                   const Placement& y);

/// Appends the step, for any numeric type. float32 runs on the kernel; others in their own arithmetic: integers wrap,
/// integer division truncates and gives 0 where the divisor is 0, 16-bit floats are rounded once.
void add_pair_step(Preparation& preparation, BinaryOp op, const Epilogue& epilogue, const PairOperand& a,
                   const PairOperand& b, const Placement& y);

}  // namespace tally
