#pragma once
// What layers offer to, and take from, their neighbours. A rewrite rule (absorb.cpp) matches an offer with a taker and
// knows neither by name: a layer joins by inheriting an interface below beside Layer, without a new rule.
#include <memory>
#include <optional>
#include <vector>

#include "tally/engine/layer.h"
#include "tally/platforms/kernel_args.h"

namespace tally {

/// y = x · scale[c] + shift[c], c along one axis of x; in double, so that folding rounds once.
struct ChannelMap {
  std::vector<double> scale, shift;
};

// ------------------------------------------------------------------------------------------------------------- offers

/// A layer that only applies an activation to its input 0: Relu, Clip with constant limits, Tanh, Sigmoid. Others stay
/// maps of their own: the sums of a tile would reach them through the stack, which made MobileNetV3-Small 150 µs slower
/// than its maps of HardSwish, 27 of 1,440 µs in all (Zen 4, AVX-512); in registers the same arithmetic would save no
/// more than a load and a store in the nearest cache.
class OffersEpilogue {
 public:
  virtual ~OffersEpilogue() = default;
  /// Nothing where the limits depend on inputs or the element type is not float32.
  virtual std::optional<Epilogue> epilogue(Operands in) const = 0;
};

/// A layer that is a ChannelMap of its input `data`, the others being constants with data: BatchNormalization, and
/// Add, Sub, Mul, Div by a constant that varies along one axis at most.
class OffersChannelMap {
 public:
  virtual ~OffersChannelMap() = default;
  /// The map along `axis` of in[data], one scale and shift for each of its elements; nothing where it is no such map
  /// (it varies along another axis, or changes the shape).
  virtual std::optional<ChannelMap> channel_map(Operands in, int data, int64_t axis) const = 0;
};

/// A layer that adds its two inputs and does nothing else: Add before it has absorbed an activation.
class OffersAddition {
 public:
  virtual ~OffersAddition() = default;
  virtual bool adds(Operands in) const = 0;
};

/// A layer that permutes the axes of its input 0: Transpose.
class OffersTransposition {
 public:
  virtual ~OffersTransposition() = default;
  /// Axis i of the output is axis permutation[i] of the input.
  virtual std::vector<size_t> permutation(size_t rank) const = 0;
  /// The same where no element changes its place: only axes of extent 1 do.
  virtual std::shared_ptr<const Layer> as_view() const = 0;
};

/// A layer that does to transposed tensors what it does to others: elementwise layers; Concat, Pad and reductions on
/// other axes.
class PassesTransposition {
 public:
  virtual ~PassesTransposition() = default;
  /// The layer f' with f(Xᵀ) = f'(X)ᵀ, where axis i of a tensor in `in` is axis permutation[i] of what f' takes; all
  /// operands are of the output's rank, but for constants, which broadcast to it. Operands whose values planning needs
  /// (axes, pads) stay as they are. Null where there is none.
  virtual std::shared_ptr<const Layer> before_transposition(Operands in,
                                                            const std::vector<size_t>& permutation) const = 0;
};

/// A layer that pads its input 0 with zeros: Pad in constant mode.
class OffersZeroPadding {
 public:
  virtual ~OffersZeroPadding() = default;
  /// Begins of all axes, then ends; nothing where it pads with anything else or the pads are unknown. May be negative.
  virtual std::optional<std::vector<int64_t>> zero_padding(Operands in) const = 0;
};

/// A layer that makes weights of scores: Softmax.
class OffersSoftmax {
 public:
  virtual ~OffersSoftmax() = default;
  /// True where rows run along the last axis alone.
  virtual bool along_last_axis(Operands in) const = 0;
};

/// A layer whose operands broadcast together, element by element: what is expanded to its result's shape need not be.
class BroadcastsOperands {
 public:
  virtual ~BroadcastsOperands() = default;
  /// False where the rules of the node's opset are others.
  virtual bool broadcasts() const = 0;
};

/// A layer that may turn out to leave its input 0 as it is: Slice of everything, Expand to the same shape.
class MayDoNothing {
 public:
  virtual ~MayDoNothing() = default;
  /// Asked where input 0 and output 0 are of one type.
  virtual bool does_nothing(Operands in) const = 0;
};

// -------------------------------------------------------------------------------------------------------------- takers

/// A layer whose kernel can finish its results with an activation.
class TakesEpilogue {
 public:
  virtual ~TakesEpilogue() = default;
  /// The layer with `epilogue` at its end, same operands; null where it cannot (it has one already, other dtype).
  virtual std::shared_ptr<const Layer> with_epilogue(Operands in, const Epilogue& epilogue) const = 0;
  /// True where it has one: it then does more than its operator says.
  virtual bool has_epilogue() const = 0;
};

/// A layer whose kernel can add a tensor of its output's shape before the activation.
class TakesResidual {
 public:
  virtual ~TakesResidual() = default;
  /// The layer with the addend as operand `residual_input()`; null where it cannot.
  virtual std::shared_ptr<const Layer> with_residual(Operands in) const = 0;
  virtual int residual_input() const = 0;
};

/// A layer with constant weights and bias into which a ChannelMap of its output folds.
class TakesChannelMap {
 public:
  virtual ~TakesChannelMap() = default;
  struct Folded {
    std::shared_ptr<const Layer> layer;
    int weights_input = 1, bias_input = 2;
    Tensor weights, bias;
  };
  /// The axis of the output along which maps fold.
  virtual int64_t map_axis(Operands in) const = 0;
  /// Nothing where it cannot: weights not constant, another activation or residual in between.
  virtual std::optional<Folded> fold(Operands in, const ChannelMap& map) const = 0;
};

/// A layer with constant weights and bias into which a ChannelMap of its input 0 folds.
class TakesInputMap {
 public:
  virtual ~TakesInputMap() = default;
  /// The axis of input 0 along which maps fold; −1: none.
  virtual int64_t input_map_axis(Operands in) const = 0;
  /// Nothing where it cannot: weights not constant, or zeros of padding that the map would shift.
  virtual std::optional<TakesChannelMap::Folded> fold_input(Operands in, const ChannelMap& map) const = 0;
};

/// A layer that can pad its input 0 with zeros itself: Conv; AveragePool where it divides by the whole window.
class TakesZeroPadding {
 public:
  virtual ~TakesZeroPadding() = default;
  /// The layer that reads the unpadded input (`unpadded`: its type in place of in[0]'s); null where it cannot.
  virtual std::shared_ptr<const Layer> with_zero_padding(Operands in, const Shape& unpadded,
                                                         const std::vector<int64_t>& pads) const = 0;
};

/// A layer that can read its input 0 with axes in another order.
class TakesTransposition {
 public:
  virtual ~TakesTransposition() = default;
  /// True where it never loses by it: then it reads past a transposition that others need too.
  virtual bool always_gains() const { return false; }
  /// The layer that reads what the transposition reads; null where it cannot, or would lose by it.
  virtual std::shared_ptr<const Layer> with_transposition(Operands in,
                                                          const std::vector<size_t>& permutation) const = 0;
};

/// A layer that reads its input 0 as a matrix and can read it straight from the tensor that a view flattened.
class TakesView {
 public:
  virtual ~TakesView() = default;
  /// The layer that reads `source` (same elements in the same order) in place of in[0]; null where it cannot.
  virtual std::shared_ptr<const Layer> with_view(Operands in, const Shape& source) const = 0;
};

}  // namespace tally
