#pragma once
// Gemm and MatMul: one product of matrices, Y = alpha·A·B + beta·C, with what it absorbs.
#include "tally/layers/absorb.h"

namespace tally {

/// Y[b, m, n] = alpha · Σ_k A[b; m, k] · B[b; k, n] + beta · C. Strides in elements of the plain tensors.
struct LinearShape {
  int64_t M = 0, N = 0, K = 0;
  int64_t a_m = 0, a_k = 1;  ///< of A
  int64_t b_k = 0, b_n = 1;  ///< of B
  double alpha = 1, beta = 1;
  /// Products of matrices: extents, and the strides of A and B along them (0 where broadcast). Empty: one. Y is dense.
  Shape batch, a_batch, b_batch;
  /// A is read from [M, channels, pixels]: pixels > 1 where a view flattened it.
  int64_t channels = 0, pixels = 1;
  bool from_view = false;  ///< A may lie channels_last

  int64_t batches() const { return element_count(batch); }
};

/// True where a C of this shape serves all rows of Y alike.
bool is_row_vector(const Shape& c);

/// What a product has absorbed of its successors, in the order in which it is applied.
struct LinearTail {
  bool residual = false;
  Epilogue epilogue;
};

/// Operands: A, B, optional C, and after an absorbed Add its other operand, of Y's shape.
class Linear : public Layer,
               public TakesEpilogue,
               public TakesResidual,
               public TakesChannelMap,
               public TakesInputMap,
               public TakesView {
 public:
  static constexpr int kA = 0, kB = 1, kC = 2, kResidual = 3;

  using Layer::Layer;

  /// Throws Error(model) naming the shapes that do not match.
  virtual LinearShape shape_of(Operands in) const = 0;
  const LinearTail& tail() const { return tail_; }

  Role role(int input, Operands in) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;

  std::shared_ptr<const Layer> with_epilogue(Operands in, const Epilogue& epilogue) const override;
  bool has_epilogue() const override { return tail_.epilogue.activation != Activation::none; }
  std::shared_ptr<const Layer> with_residual(Operands in) const override;
  int residual_input() const override { return kResidual; }
  std::shared_ptr<const Layer> with_view(Operands in, const Shape& source) const override;
  int64_t map_axis(Operands in) const override;
  std::optional<Folded> fold(Operands in, const ChannelMap& map) const override;
  int64_t input_map_axis(Operands in) const override;
  std::optional<Folded> fold_input(Operands in, const ChannelMap& map) const override;

 protected:
  virtual std::shared_ptr<Linear> copy() const = 0;
  virtual int64_t output_rank(Operands in) const = 0;
  /// beta and C of a layer whose bias has become [N] with factor 1.
  virtual void clear_bias_factor() {}
  /// in[0] with the extents that the product sees.
  Shape matrix_shape(const Operand& a) const;

  LinearTail tail_;
  bool from_view_ = false;
};

/// Y = alpha·A'·B' + beta·C, A' = A or Aᵀ [M, K], B' = B or Bᵀ [K, N], C broadcast to [M, N].
class Gemm final : public Linear {
 public:
  explicit Gemm(const Node& node);
  LinearShape shape_of(Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::shared_ptr<const Layer> with_view(Operands in, const Shape& source) const override;

 protected:
  std::shared_ptr<Linear> copy() const override { return std::make_shared<Gemm>(*this); }
  int64_t output_rank(Operands) const override { return 2; }
  void clear_bias_factor() override {
    beta_ = 1;
    broadcasts_ = true;
  }

 private:
  float alpha_ = 1, beta_ = 1;
  bool trans_a_ = false, trans_b_ = false;
  bool broadcasts_ = true;  ///< before opset 7 C broadcasts only where the node says so
};

/// numpy.matmul: A [.., M, K] · B [.., K, N], batch dimensions broadcast; a vector operand loses its dimension in Y.
class MatMul final : public Linear {
 public:
  explicit MatMul(const Node& node);
  LinearShape shape_of(Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

 protected:
  std::shared_ptr<Linear> copy() const override { return std::make_shared<MatMul>(*this); }
  int64_t output_rank(Operands in) const override;
};

}  // namespace tally
