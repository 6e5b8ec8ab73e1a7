#pragma once
// Broadcasting as loops: how two operands of any shapes are walked beside a dense result.
#include <span>
#include <vector>

#include "tally/engine/preparation.h"

namespace tally {

/// One loop over the result; strides of the operands in elements, 0 where they repeat.
struct PairLoop {
  int64_t size = 1, a_stride = 0, b_stride = 0;
};

/// An operand of an elementwise operator: its shape brought to the result's rank and where its elements lie.
struct Aligned {
  Shape shape;    ///< an extent equals the result's or is 1
  Shape strides;  ///< in elements, ONNX's order of dimensions
};

/// The loops over a dense result of `shape` in `layout`, outermost first, neighbours that all three tensors walk alike
/// made one; loops of one turn left out. In channels_last the innermost runs over all `channel_stride` channels a pixel
/// holds.
std::vector<PairLoop> pair_loops(const Shape& shape, Layout layout, int64_t channel_stride, const Aligned& a,
                                 const Aligned& b);

/// Calls f(offset of a, offset of b, innermost loop) for every row of the result, in order.
template <class F>
void for_each_row(std::span<const PairLoop> loops, int64_t a, int64_t b, const F& f) {
  if (loops.size() <= 1) return f(a, b, loops.empty() ? PairLoop{1, 0, 0} : loops.front());
  const PairLoop outer = loops.front();
  for (int64_t i = 0; i < outer.size; ++i)
    for_each_row(loops.subspan(1), a + i * outer.a_stride, b + i * outer.b_stride, f);
}

/// Kernel arguments that walk these loops; pointers and epilogue aside.
BinaryArgs binary_args(const std::vector<PairLoop>& loops, BinaryOp op);

/// Where rows follow no single stride: sets the arguments' offsets of each row and returns the tables that hold them.
std::vector<std::shared_ptr<const void>> point_at_rows(BinaryArgs& args, const std::vector<PairLoop>& loops);

}  // namespace tally
