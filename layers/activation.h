#pragma once
// Relu, Clip, Tanh, Sigmoid, Exp: Y[i] = f(X[i]).
#include "tally/layers/absorb.h"

namespace tally {

enum class UnaryFunction { relu, clip, tanh, sigmoid, exp };

/// Operands: X, and for Clip from opset 11 optional min and max (one element each). NaN stays NaN; where min > max
/// every element becomes max.
class Unary final : public Layer, public OffersEpilogue, public PassesTransposition {
 public:
  static constexpr int kX = 0, kMin = 1, kMax = 2;

  Unary(const Node& node, UnaryFunction function);

  bool in_place(int input) const override { return input == kX; }
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::optional<Epilogue> epilogue(Operands in) const override;
  std::shared_ptr<const Layer> before_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 private:
  /// The kernel's arguments for n elements, where it serves these operands.
  std::optional<UnaryArgs> kernel_args(Operands in, int64_t n) const;
  void prepare_host(Preparation& preparation) const;

  UnaryFunction function_;
  bool limits_from_inputs_ = false;
  float min_, max_;  ///< Clip's attributes before opset 11
};

}  // namespace tally
