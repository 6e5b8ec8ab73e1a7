#pragma once
// ConvTranspose: Y[n, m, i·s + k·d − p] = B[m] + Σ_{c, i, k} X[n, c, i] · W[c, m mod M/G, k], one to three spatial
// dimensions; c runs over the channels of m's group.
#include "tally/layers/absorb.h"
#include "tally/layers/conv_transpose_shape.h"

namespace tally {

/// Operands: X [N, C, (D, H,) W], W [C, M/G, (kD, kH,) kW], optional B [M].
class ConvTranspose final : public Layer, public TakesEpilogue, public TakesChannelMap {
 public:
  static constexpr int kX = 0, kW = 1, kB = 2;

  explicit ConvTranspose(const Node& node);

  /// The window against the operands' shapes. Throws Error(model).
  TransposeShape shape_of(Operands in) const;

  std::vector<TensorType> infer(Operands in) const override;
  Role role(int input, Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

  std::shared_ptr<const Layer> with_epilogue(Operands in, const Epilogue& epilogue) const override;
  bool has_epilogue() const override { return epilogue_.activation != Activation::none; }
  int64_t map_axis(Operands) const override { return 1; }
  std::optional<Folded> fold(Operands in, const ChannelMap& map) const override;

 private:
  TransposeAttributes attributes_;
  int64_t group_ = 1;
  Epilogue epilogue_;
};

}  // namespace tally
