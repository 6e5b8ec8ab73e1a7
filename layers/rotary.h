#pragma once
// RotaryEmbedding (ONNX opset 23), also what the rewrite rules recognise in graphs that spell it out: pairs of elements
// (x1, x2) turned by the angle of their position, y1 = cos·x1 − sin·x2, y2 = sin·x1 + cos·x2. Pairs are the two halves
// of the rotated elements of a row, or neighbours (interleaved).
#include <optional>

#include "tally/engine/layer.h"
#include "tally/layers/absorb.h"
#include "tally/platforms/kernel_args.h"

namespace tally {

/// What a node fixes of its rotation; extents come from the operands.
struct RotarySpec {
  bool interleaved = false;
  int64_t heads = 0;    ///< of X [B, N, H·width]
  int64_t rotated = 0;  ///< 0: the whole row
  /// Recognised in a graph: X of any rank, a row of its last axis turned; cos and sin broadcast to its pairs, or with
  /// `wide` to its elements. `trailing`: the tables end with that many axes of extent 1 more.
  bool recognised = false, wide = false;
  int64_t trailing = 0;
  /// Axis i of what is turned is axis x_axes[i] of X as it lies; empty: the same. The last stays the last.
  std::vector<size_t> x_axes;
};

/// Operands: X, cos_cache, sin_cache, optional position_ids. X [B, H, N, width] or [B, N, H·width], caches [B, N,
/// rotated / 2], or [positions, rotated / 2] with position_ids [B, N]. Ids known at run time only that lie outside take
/// the nearest row, negative ones count from the end.
class RotaryEmbedding final : public Layer, public TakesTransposition {
 public:
  static constexpr int kX = 0, kCos = 1, kSin = 2, kIds = 3;

  explicit RotaryEmbedding(const Node& node);
  /// For rewrite rules: as `node`'s layer would be with this spec.
  RotaryEmbedding(const Node& node, RotarySpec spec) : Layer(node), spec_(std::move(spec)) {}

  Role role(int input, Operands) const override { return input == kX ? Role::weight : Role::constant; }
  bool in_place(int input) const override { return input == kX && spec_.x_axes.empty(); }
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  bool always_gains() const override { return true; }
  std::shared_ptr<const Layer> with_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 private:
  /// The kernel's arguments, pointers aside. Throws Error where the operands do not fit.
  RotaryArgs make_args(Operands in) const;
  RotaryArgs recognised_args(Operands in) const;
  /// Extents of X in the order in which it is turned.
  Shape turned_shape(Operands in) const;
  void prepare_host(const RotaryArgs& args, double cycles, Preparation& preparation) const;

  RotarySpec spec_;
};

}  // namespace tally
