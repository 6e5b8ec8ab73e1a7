#pragma once
// BatchNormalization at inference: Y = (X − mean[c]) / √(var[c] + ε) · scale[c] + B[c].
#include "tally/engine/preparation.h"
#include "tally/layers/absorb.h"

namespace tally {

/// Operands: X [N, C, …], scale, B, mean, var, each [C] (before opset 9 with spatial=0: [C, …], one an element of an
/// image). With constant statistics one FMA an element, Y = X·s[c] + t[c], s and t folded in double.
class BatchNormalization final : public Layer, public OffersChannelMap, public TakesEpilogue {
 public:
  static constexpr int kX = 0, kScale = 1, kB = 2, kMean = 3, kVar = 4;

  explicit BatchNormalization(const Node& node);

  bool in_place(int input) const override { return input == kX; }
  Role role(int input, Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

  std::optional<ChannelMap> channel_map(Operands in, int data, int64_t axis) const override;
  std::shared_ptr<const Layer> with_epilogue(Operands in, const Epilogue& epilogue) const override;
  bool has_epilogue() const override { return epilogue_.activation != Activation::none; }

 private:
  /// s and t, where all statistics are constants of float32.
  std::optional<ChannelMap> folded(Operands in) const;
  ChannelAffineArgs kernel_args(const Placement& y) const;
  void prepare_host(Preparation& preparation) const;

  double epsilon_;
  bool spatial_;
  Epilogue epilogue_;
};

}  // namespace tally
