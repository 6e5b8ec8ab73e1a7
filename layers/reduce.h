#pragma once
// Reductions over any axes: ReduceSum, Mean, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare; and the shape rule
// that ArgMax and ArgMin share.
#include "tally/engine/preparation.h"
#include "tally/layers/absorb.h"

namespace tally {

enum class Reduction { sum, mean, max, min, prod, l1, l2, log_sum, log_sum_exp, sum_square };

/// One loop over elements of the input; its stride in elements.
struct ReduceLoop {
  int64_t size = 1, stride = 0;
};

/// How a dense input is walked: the loops over the result, dense too, outermost first, and those that each of its
/// elements sums up. Neighbours are made one, loops of one turn left out.
struct ReduceLoops {
  std::vector<ReduceLoop> kept, reduced;
  int64_t outputs = 1, count = 1;  ///< elements of the result, and of each of its sets
};
ReduceLoops reduce_loops(const Shape& shape, const std::vector<bool>& is_reduced);

/// Y = the reduction of X over `axes`: all where none are given, or none at all with noop_with_empty_axes. Axes are an
/// attribute before opset 18 (13 for ReduceSum), operand 1 from then on. Over an empty set a sum is 0, a product 1, a
/// maximum −∞ or the type's lowest value, a mean NaN.
class Reduce final : public Layer, public PassesTransposition, public TakesTransposition {
 public:
  static constexpr int kX = 0, kAxes = 1;

  Reduce(const Node& node, Reduction reduction);

  bool needs_value(int input) const override { return input == kAxes; }
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  std::shared_ptr<const Layer> before_transposition(Operands in, const std::vector<size_t>& permutation) const override;
  bool always_gains() const override { return true; }
  /// True where the axes of its result stand in the order of X's.
  bool keeps_order() const { return y_order_.empty(); }
  /// Where the axes that are kept stand in the same order.
  std::shared_ptr<const Layer> with_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 private:
  /// The kernel's arguments, where it serves: float32, a sum or an extreme over axes that lie beside each other.
  std::optional<ReduceArgs> kernel_args(Operands in) const;
  /// The same over all pixels of an X that lies channels_last without padding.
  std::optional<ReduceArgs> pixel_args(Operands in, const Geometry& geometry) const;
  /// By axis of X.
  std::vector<bool> reduced_axes(Operands in) const;

  Reduction reduction_;
  bool axes_are_operand_, keep_dims_, noop_when_empty_;
  std::vector<int64_t> axes_;
  // What a transposition before or behind has become part of; empty: none has.
  std::vector<size_t> axis_of_;  ///< the axis of X that axis i means
  std::vector<size_t> y_order_;  ///< the axis of X that axis i of the result, were all kept, comes from
};

/// Extents of the result: 1 or nothing in place of a reduced axis.
Shape reduced_shape(const Shape& shape, const std::vector<bool>& is_reduced, bool keep_dims);

/// Appends the reduction by plain loops, in double or 64-bit integers; any numeric type and boolean.
void add_host_reduction(Preparation& preparation, Reduction reduction, const ReduceLoops& loops);

}  // namespace tally
