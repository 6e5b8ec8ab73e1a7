#pragma once
// Normalisations over adjacent elements with a scale and a bias: LayerNormalization, RMSNormalization,
// InstanceNormalization, GroupNormalization. Y = (X − mean) / √(variance + ε) · scale + B, the moments taken of
//   LayerNormalization   X[…, axis …]         scale and B broadcast to X[axis …]
//   RMSNormalization     the same, with mean 0 and the mean of squares in place of the variance; no B
//   InstanceNormalization  X[n, c, …]         scale[c], B[c]
//   GroupNormalization   X[n, group of c, …]  scale[c], B[c], before opset 21 one a group
// A variance is the mean of squared deviations.
#include "tally/engine/preparation.h"

namespace tally {

enum class RowNorm { layer, rms, instance, group };

class RowNormalization final : public Layer {
 public:
  static constexpr int kX = 0, kScale = 1, kB = 2;
  static constexpr int kY = 0, kMean = 1, kInverse = 2;

  RowNormalization(const Node& node, RowNorm kind);

  float epsilon() const { return epsilon_; }

  Role role(int input, Operands) const override { return input == kX ? Role::activation : Role::weight; }
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;

 private:
  size_t first_axis(Operands in) const;
  /// Rows, width, runs: kernel arguments without pointers. Parameters of LayerNormalization count as one an element.
  RowNormArgs make_args(Operands in) const;
  bool has_bias(Operands in) const;
  void check_parameter(Operands in, int input) const;
  /// Float32 throughout, parameters dense, rows not empty.
  bool kernel_serves(Operands in) const;
  void prepare_host(Preparation& preparation) const;

  RowNorm kind_;
  float epsilon_;
  int64_t axis_, groups_;
  bool scale_a_channel_;  ///< GroupNormalization: not one a group
  size_t wanted_outputs_ = 1;
};

}  // namespace tally
