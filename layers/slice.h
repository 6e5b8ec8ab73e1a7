#pragma once
// Slice: Y[i_0, i_1, …] = X[start_0 + i_0·step_0, start_1 + i_1·step_1, …].
#include "tally/layers/absorb.h"
#include "tally/layers/copy_layer.h"

namespace tally {

/// What is taken of an axis: `count` elements from `start` on, `step` apart.
struct AxisRange {
  int64_t start = 0, step = 1, count = 0;
  friend bool operator==(const AxisRange&, const AxisRange&) = default;
};

/// ONNX's reading of start, end and step on an axis of n elements: negative ones count from the end, then both are
/// brought into the axis. Any int64 is allowed, step not 0.
AxisRange slice_range(int64_t start, int64_t end, int64_t step, int64_t n);

/// Operands: data; from opset 10 starts, ends, optional axes, steps, int32 or int64; before that attributes, steps
/// of 1.
class Slice final : public CopyLayer, public MayDoNothing {
 public:
  explicit Slice(const Node& node);

  std::vector<TensorType> infer(Operands in) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  bool does_nothing(Operands in) const override;

 protected:
  bool moves_channels_last() const override { return true; }
  std::vector<Move> moves(Operands in, const Placement& x, std::span<const Placement> y) const override;

 private:
  std::vector<AxisRange> ranges(Operands in) const;

  bool from_inputs_;
  std::vector<int64_t> starts_, ends_;
  std::optional<std::vector<int64_t>> axes_;
  int whole_axis_ = -1;  ///< taken whole whatever the operands say: the time axis of a step
};

}  // namespace tally
