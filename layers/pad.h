#pragma once
// Pad: Y is X with elements added (or, where a pad is negative, removed) at the ends of its axes.
#include "tally/layers/absorb.h"
#include "tally/layers/copy_steps.h"

namespace tally {

enum class PadMode { constant, reflect, edge, wrap };

/// Outputs [begin, begin + size) of one axis: input in_begin + i·in_step for the i-th of them, or the fill value.
struct PadPiece {
  int64_t begin = 0, size = 0;
  int64_t in_begin = 0, in_step = 1;
  bool fill = false;
};

/// An axis of `in` elements padded by `before` and `after`, cut into pieces that each copy with one step. Negative pads
/// are applied first; then constant fills, edge repeats the last element, reflect mirrors about it without repeating it
/// (as often as it takes), wrap continues at the other end. Throws Error(model) naming `who` where there is nothing to
/// repeat, Error(limit) where there would be very many pieces.
std::vector<PadPiece> pad_pieces(int64_t in, int64_t before, int64_t after, PadMode mode, const std::string& who);

/// Operands: data, and from opset 11 pads (int64), optional constant_value (one element), from 18 optional axes.
class Pad : public Layer, public OffersZeroPadding, public PassesTransposition {
 public:
  static constexpr int kData = 0, kPads = 1, kValue = 2, kAxes = 3;

  explicit Pad(const Node& node);

  bool needs_value(int input) const override { return input == kPads || input == kAxes; }
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::optional<std::vector<int64_t>> zero_padding(Operands in) const override;
  std::shared_ptr<const Layer> before_transposition(Operands in, const std::vector<size_t>& permutation) const override;

 protected:
  /// Begins of all axes, then ends.
  virtual std::vector<int64_t> pads(Operands in) const;

 private:
  std::vector<std::vector<PadPiece>> pieces(Operands in) const;
  /// True where the fill value is known when a plan is made.
  bool known_value(Operands in) const;

  PadMode mode_ = PadMode::constant;
  std::vector<int64_t> pads_;  ///< attribute, before opset 11
  float value_ = 0;            ///< attribute, before opset 11
  bool from_inputs_ = false;
  std::vector<size_t> axis_of_;  ///< the axis of X that the i-th of the pads means; empty: the i-th
};

}  // namespace tally
