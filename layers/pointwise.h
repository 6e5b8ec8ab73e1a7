#pragma once
// Operators that make one element of the result from one element of each operand, as rows of a table: what an operator
// takes, what it costs, what it computes. Relu, Clip, Tanh, Sigmoid and Exp (activation.h) and Add, Sub, Mul, Div and
// Sum (elementwise.h) have layers of their own, which neighbours absorb.
#include "tally/engine/preparation.h"
#include "tally/layers/absorb.h"
#include "tally/layers/broadcast_loops.h"
#include "tally/platforms/kernel_args.h"

namespace tally {

/// Operands: `many` are one or more, folded from the left.
enum class Arity : uint8_t { one, two, many };

/// Sets of element types: float16, bfloat16, float32, float64; integers; boolean.
enum : unsigned { kReals = 1, kSigned = 2, kUnsigned = 4, kBooleans = 8, kIntegers = kSigned | kUnsigned };

/// Attributes, as a row reads them, and what integer functions must know of the type.
struct PointwiseParameters {
  double alpha = 0, beta = 0, gamma = 0;
  bool is_signed = true;
  int bits = 64;  ///< of an element
};

/// Operations an output element; of `many` operands, of each operand after the first.
struct PointwiseCost {
  int comparisons = 0, elementwise = 0, special = 0;
};

/// One operator. Reals are computed in double and rounded once; integers as their sign-extended 64 bits, of which the
/// low ones remain; booleans are integers 0 and 1. Null: the type is not taken.
struct PointwiseRow {
  const char* op;
  const char* variant;  ///< what an attribute chose (approximate, direction), or ""
  Arity arity;
  unsigned types;
  bool truth;  ///< the result is boolean
  PointwiseCost cost;
  double (*real)(double x, double y, const PointwiseParameters& p);
  uint64_t (*integer)(uint64_t x, uint64_t y, const PointwiseParameters& p);
};

/// The row of a node, its parameters filled in. Throws Error(model) on attributes that have no meaning.
const PointwiseRow& pointwise_row(const Node& node, PointwiseParameters& parameters);

/// A layer of a row. Operands broadcast together; those of Pow may differ in type, where the result has the base's; the
/// slope of PRelu broadcasts to X. Before opset 7 (8 for Max, Min, Mean) by the attributes `broadcast` and `axis`.
class Pointwise final : public Layer, public PassesTransposition, public BroadcastsOperands {
 public:
  explicit Pointwise(const Node& node);

  const PointwiseParameters& parameters() const { return parameters_; }
  bool in_place(int) const override { return row_->arity == Arity::one; }
  bool broadcasts() const override { return !old_broadcast_; }
  Role role(int input, Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  std::shared_ptr<const Layer> before_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 private:
  void check_type(Operands in, size_t input) const;
  /// The shape of operand `input` brought to the result's rank.
  Shape aligned_shape(Operands in, size_t input, size_t rank) const;
  PointwiseParameters parameters_for(DType type) const;
  /// The kernel of one operand (Pow by a constant too), or of pairs, where float32 has one.
  std::optional<UnaryArgs> unary_args(Operands in, std::span<const TensorType> out, int64_t n) const;
  std::optional<UnaryArgs> celu_args(int64_t n) const;
  std::optional<BinaryOp> pair_op(Operands in) const;
  void prepare_pairs(BinaryOp kernel, Preparation& preparation) const;
  void prepare_unary_host(Preparation& preparation) const;
  /// y = f(x_a, x_b) where a < 0 stands for y itself.
  void prepare_pair_host(Preparation& preparation, int a, int b) const;

  PointwiseParameters parameters_;
  const PointwiseRow* row_;  ///< made with the parameters
  bool old_broadcast_ = false, may_broadcast_ = true;
  std::optional<int64_t> axis_;
};

}  // namespace tally
