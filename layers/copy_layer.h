#pragma once
// Layers that only move elements whose places are known when a plan is made: Slice, Split, Expand, Tile, DepthToSpace,
// … Each says which boxes of its inputs go where; one base plans and runs the copies, whatever the element type.
#include <optional>

#include "tally/layers/copy_steps.h"
#include "tally/layers/placement.h"

namespace tally {

/// y[y_offset + Σ i_d·y_stride_d] = x[x_offset + Σ i_d·x_stride_d], x an input and y an output; in elements.
struct Move {
  int input = 0, output = 0;
  std::vector<CopyLoop> loops;
  int64_t x_offset = 0, y_offset = 0;
};

/// A layer of which an output may be one box of input 0, moved: Transpose, Slice, Split, Gather of neighbours, Expand.
class MovesWhole {
 public:
  virtual ~MovesWhole() = default;
  /// The copy that makes the whole of output `output`, all tensors plain; nothing where it takes more than one.
  virtual std::optional<Move> whole_move(Operands in, std::span<const TensorType> out, int output) const = 0;
};

/// Input 0 is the data; the other inputs (shapes, axes, repeats) are known when a plan is made.
class CopyLayer : public Layer, public MovesWhole {
 public:
  using Layer::Layer;

  bool needs_value(int input) const override { return input > 0; }
  Role role(int input, Operands) const override { return input == 0 ? Role::constant : Role::free; }
  /// Moves every element once and computes nothing.
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  std::optional<Move> whole_move(Operands in, std::span<const TensorType> out, int output) const override;

 protected:
  /// May data and outputs lie channels_last, where their types do?
  virtual bool moves_channels_last() const { return false; }
  /// The copies; together they write every element of every wanted output once. `y`: one an output, without a buffer
  /// where it is not wanted.
  virtual std::vector<Move> moves(Operands in, const Placement& x, std::span<const Placement> y) const = 0;
};

}  // namespace tally
