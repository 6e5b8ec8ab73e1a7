#pragma once
// RNN (Elman), LSTM and GRU, ONNX opset 1 to 22. With x_t [I], h and c [H], · a product with a matrix, ⊙ by elements:
//   RNN   h_t = f(W·x_t + R·h_(t−1) + Wb + Rb)
//   LSTM  i = f(Wi·x_t + Ri·h_(t−1) + Pi⊙c_(t−1) + Wbi + Rbi), o and f alike (o with Po⊙c_t; f = 1 − i where
//   input_forget)
//         c_t = f⊙c_(t−1) + i⊙g(Wc·x_t + Rc·h_(t−1) + Wbc + Rbc),  h_t = o⊙h(c_t)
//   GRU   z = f(Wz·x_t + Rz·h_(t−1) + Wbz + Rbz), r alike
//         n = g(Wh·x_t + Rh·(r⊙h_(t−1)) + Wbh + Rbh), or with linear_before_reset
//         n = g(Wh·x_t + Wbh + r⊙(Rh·h_(t−1) + Rbh));  h_t = (1 − z)⊙n + z⊙h_(t−1)
// `clip` bounds what the activations take, to [−clip, clip].
#include <optional>
#include <span>

#include "tally/engine/layer.h"

namespace tally {

enum class CellKind : uint8_t { elman, lstm, gru };

/// Gates that a step computes, in ONNX's order: elman one; lstm i o f c; gru z r h.
constexpr int64_t gates_of(CellKind kind) { return kind == CellKind::lstm ? 4 : kind == CellKind::gru ? 3 : 1; }

/// Activations of a direction: elman f; lstm f g h; gru f g.
constexpr int functions_of(CellKind kind) { return kind == CellKind::lstm ? 3 : kind == CellKind::gru ? 2 : 1; }

/// Relu max(0, x); Affine αx + β; LeakyRelu x or αx; ThresholdedRelu x where > α, else 0; ScaledTanh α·tanh(βx);
/// HardSigmoid min(1, max(0, αx + β)); Elu x or α(e^x − 1); Softsign x/(1 + |x|); Softplus ln(1 + e^x).
enum class CellFunction : uint8_t {
  relu,
  tanh,
  sigmoid,
  affine,
  leaky_relu,
  thresholded_relu,
  scaled_tanh,
  hard_sigmoid,
  elu,
  softsign,
  softplus
};

struct CellActivation {
  CellFunction function = CellFunction::tanh;
  float alpha = 0, beta = 0;
  friend bool operator==(const CellActivation&, const CellActivation&) = default;
};

enum class SequenceDirection : uint8_t { forward, reverse, bidirectional };

struct RecurrentAttributes {
  SequenceDirection direction = SequenceDirection::forward;
  std::vector<CellActivation> activations;  ///< functions_of(kind) a direction
  std::optional<float> clip;
  std::optional<int64_t> hidden_size;
  bool input_forget = false;         ///< LSTM: the forget gate is 1 − i
  bool linear_before_reset = false;  ///< GRU: the reset gate scales the product, not h
  bool batch_first = false;          ///< layout 1

  int directions() const { return direction == SequenceDirection::bidirectional ? 2 : 1; }
  /// True where direction `d` reads its sequence from the end.
  bool reversed(int d) const { return direction == SequenceDirection::reverse || d == 1; }
};

/// Throws Error(model) naming the attribute that is unknown, unsupported or of the wrong count.
RecurrentAttributes read_recurrent(const Node& node, CellKind kind);

/// T steps of B sequences of I features, H hidden units, in one or two directions. All tensors are dense; element
/// strides:
struct RecurrentShape {
  CellKind kind = CellKind::elman;
  int64_t T = 0, B = 0, I = 0, H = 0;
  int64_t directions = 1;
  bool batch_first = false;

  int64_t gates() const { return gates_of(kind); }
  /// X [T, B, I], or batch_first [B, T, I].
  int64_t x_step() const { return batch_first ? I : B * I; }
  int64_t x_sequence() const { return batch_first ? T * I : I; }
  /// Y [T, D, B, H], or batch_first [B, T, D, H].
  int64_t y_step() const { return batch_first ? directions * H : directions * B * H; }
  int64_t y_direction() const { return batch_first ? H : B * H; }
  int64_t y_sequence() const { return batch_first ? T * directions * H : H; }
  /// Y_h, Y_c, initial_h, initial_c [D, B, H], or batch_first [B, D, H].
  int64_t state_direction() const { return batch_first ? H : B * H; }
  int64_t state_sequence() const { return batch_first ? directions * H : H; }
};

/// Operands, D directions, G gates: X; W [D, G·H, I]; R [D, G·H, H]; B [D, 2·G·H], Wb before Rb; sequence_lens [B],
/// int32; initial_h and initial_c [D, B, H]; P [D, 3·H], i o f. From B on all optional; initial_c and P of LSTM only.
/// Outputs Y, Y_h and (LSTM) Y_c, each optional. Beyond a sequence's length Y is zero; Y_h and Y_c are those of its
/// last step (of none: the initial state); a reversed direction starts at the sequence's own end.
class Recurrent final : public Layer {
 public:
  static constexpr int kX = 0, kW = 1, kR = 2, kB = 3, kSequenceLens = 4, kInitialH = 5, kInitialC = 6, kP = 7;
  static constexpr int kY = 0, kYh = 1, kYc = 2;

  Recurrent(const Node& node, CellKind kind);

  /// Throws Error(model) naming the operand that does not fit.
  RecurrentShape shape_of(Operands in) const;
  const RecurrentAttributes& attributes() const { return attributes_; }
  /// A step of a stream: h and c are kept in the context's state.
  bool stateful() const { return stateful_; }

  std::vector<TensorType> infer(Operands in) const override;
  Role role(int input, Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;

 private:
  void check_types(Operands in) const;
  void check_lengths(Operands in, const RecurrentShape& shape) const;

  CellKind kind_;
  RecurrentAttributes attributes_;
  bool stateful_ = false;
};

}  // namespace tally
