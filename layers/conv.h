#pragma once
// Conv: Y[n, m, o] = B[m] + Σ_{c, k} X[n, g·C/G + c, o·s − p + k·d] · W[m, c, k], one to three spatial dimensions.
#include "tally/layers/absorb.h"
#include "tally/layers/conv_shape.h"

namespace tally {

/// What a convolution has absorbed of its successors, in the order in which it is applied.
struct ConvTail {
  bool residual = false;
  Epilogue epilogue;
};

/// Operands: X [N, C, (D, H,) W] (after an absorbed Transpose [N, (D, H,) W, C]), W [M, C/G, (kD, kH,) kW], optional B
/// [M], and after an absorbed Add its other operand [N, M, …].
class Conv final : public Layer,
                   public TakesEpilogue,
                   public TakesResidual,
                   public TakesChannelMap,
                   public TakesInputMap,
                   public TakesZeroPadding,
                   public TakesTransposition {
 public:
  static constexpr int kX = 0, kW = 1, kB = 2, kResidual = 3;

  explicit Conv(const Node& node);

  /// The window against the operands' shapes. Throws Error(model).
  ConvShape shape_of(Operands in) const;

  std::vector<TensorType> infer(Operands in) const override;
  Role role(int input, Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

  std::shared_ptr<const Layer> with_epilogue(Operands in, const Epilogue& epilogue) const override;
  bool has_epilogue() const override { return tail_.epilogue.activation != Activation::none; }
  std::shared_ptr<const Layer> with_residual(Operands in) const override;
  int residual_input() const override { return kResidual; }
  int64_t map_axis(Operands) const override { return 1; }
  std::optional<Folded> fold(Operands in, const ChannelMap& map) const override;
  int64_t input_map_axis(Operands in) const override;
  std::optional<Folded> fold_input(Operands in, const ChannelMap& map) const override;
  std::shared_ptr<const Layer> with_zero_padding(Operands in, const Shape& unpadded,
                                                 const std::vector<int64_t>& pads) const override;
  std::shared_ptr<const Layer> with_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 private:
  /// X's extents as N, C, spatial…
  Shape x_shape(Operands in) const;

  WindowAttributes window_;
  int64_t group_ = 1;
  ConvTail tail_;
  bool channels_inner_ = false;  ///< X is [N, spatial…, C], dense
};

}  // namespace tally
