#pragma once
// Add, Sub, Mul, Div and Sum: Y = A op B with multidirectional broadcasting.
#include "tally/layers/absorb.h"

namespace tally {

/// Two operands of any shapes that broadcast together (before opset 7: B to A, by the attributes `broadcast` and
/// `axis`). Integers wrap; integer division truncates towards zero and gives 0 where the divisor is 0. Sum of two is an
/// Add.
class Binary final : public Layer,
                     public OffersChannelMap,
                     public OffersAddition,
                     public TakesEpilogue,
                     public PassesTransposition,
                     public BroadcastsOperands {
 public:
  static constexpr int kA = 0, kB = 1;

  Binary(const Node& node, BinaryOp operation);

  bool in_place(int) const override { return op() != "Sum"; }
  Role role(int input, Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

  std::optional<ChannelMap> channel_map(Operands in, int data, int64_t axis) const override;
  bool adds(Operands in) const override;
  bool broadcasts() const override { return !old_broadcast_; }
  std::shared_ptr<const Layer> with_epilogue(Operands in, const Epilogue& epilogue) const override;
  bool has_epilogue() const override { return epilogue_.activation != Activation::none; }
  std::shared_ptr<const Layer> before_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 private:
  /// The shape of operand `input` brought to the result's rank.
  Shape aligned_shape(Operands in, int input, size_t rank) const;

  BinaryOp operation_;
  bool old_broadcast_ = false;  ///< before opset 7
  bool may_broadcast_ = true;
  std::optional<int64_t> axis_;
  Epilogue epilogue_;
};

/// Sum of any number of operands: Y = X_0 + X_1 + …, added from the left. Two of them make a Binary.
class Sum final : public Layer {
 public:
  explicit Sum(const Node& node) : Layer(node), broadcasts_(node.opset >= 8) {}
  Role role(int input, Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

 private:
  bool broadcasts_;
};

/// What a constant operand of an elementwise operator counts as: one element is free, one non-unit dimension at most a
/// weight, anything else a constant.
Role elementwise_role(const Operand& operand);

}  // namespace tally
