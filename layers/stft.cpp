// STFT: Y[b, f, k] = Σ_j x[b, f·step + j]·window[j] e^(−2πi·jk/n) of a signal x[B, L, 1 or 2] (real, or both parts of a
// complex number), j in [0, n), f in [0, ⌊(L − n)/step⌋], k in [0, n), or [0, n/2] with `onesided` (the default). n is
// frame_length, or the window's. ONNX STFT, opset 17. Computed in double, whatever the type.
#include "tally/layers/fourier_step.h"
#include "tally/layers/host_number.h"
#include "tally/layers/operand.h"

namespace tally {

namespace {

constexpr int kSignal = 0, kStep = 1, kWindow = 2, kFrameLength = 3;

class Stft final : public HostLayer {
 public:
  explicit Stft(const Node& node) : HostLayer(node), onesided_(node.get_int("onesided", 1) != 0) {}

  Role role(int input, Operands) const override {
    return input == kSignal ? Role::activation : input == kWindow ? Role::constant : Role::free;
  }
  bool needs_value(int input) const override { return input == kStep || input == kFrameLength; }
  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override {
    return needs_value(input) ? 0 : -1;
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 4);
    const Shape& x = in[kSignal].shape;
    if (!is_real(in[kSignal].dtype))
      fail(label(), text("signal of type ", name_of(in[kSignal].dtype)),
           "must be float16, bfloat16, float32 or float64");
    if (x.size() != 3 || (x[2] != 1 && x[2] != 2))
      fail(label(), text("signal of shape ", to_string(x)), "must be B, L, 1 (real) or 2 (complex)");
    if (onesided_ && x[2] == 2) fail(label(), "onesided=1 of complex numbers", "must be 0");
    const FourierRows r = rows(in);
    Shape y{r.outer, r.inner, r.bins, 2};
    element_count(y, label());
    return {{in[kSignal].dtype, y}};
  }

  // One transform a frame, after a product with the window.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const FourierRows r = rows(in);
    return fourier_cost("ONNX STFT, opset 17 to 24: a fast transform a frame; Frigo and Johnson's count",
                        element_count({r.outer, r.inner}, label()), r.n, r.complex, r.window >= 0 ? r.n : 0);
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const FourierRows r = rows(p.inputs());
    const auto frames = static_cast<double>(r.outer * r.inner);
    if (frames == 0) return;
    add_fourier_step(p, r, static_cast<double>(fourier_operations(r.n, false)) * frames);
  }

 private:
  /// Of a frame: what input frame_length says, what the window has, or the whole signal.
  int64_t length(Operands in) const {
    const bool windowed = has_operand(in, kWindow);
    if (windowed && (in[kWindow].shape.size() != 1 || in[kWindow].dtype != in[kSignal].dtype))
      fail(label(), text("window of type ", name_of(in[kWindow].dtype), ", shape ", to_string(in[kWindow].shape)),
           text("must be of the signal's type ", name_of(in[kSignal].dtype), ", rank 1"));
    const int64_t n = has_operand(in, kFrameLength) ? scalar_integer(label(), "frame_length", in[kFrameLength])
                      : windowed                    ? in[kWindow].shape[0]
                                                    : in[kSignal].shape[1];
    if (n < 1 || n > kLongestTransform)
      fail(label(), text("frames of length ", n), "must be of 1 to 2^32", ErrorCode::limit);
    if (n > in[kSignal].shape[1])
      fail(label(), text("frames of length ", n), text("must be at most the signal's, ", in[kSignal].shape[1]));
    if (windowed && in[kWindow].shape[0] != n)
      fail(label(), text("window of ", in[kWindow].shape[0], " elements"), text("must have frame_length=", n));
    return n;
  }

  FourierRows rows(Operands in) const {
    const Shape& x = in[kSignal].shape;
    const int64_t step = scalar_integer(label(), "frame_step", in[kStep]);
    if (step < 1) fail(label(), text("frame_step ", step), "must be >= 1");
    FourierRows r;
    r.n = r.samples = length(in);
    r.bins = onesided_ ? r.n / 2 + 1 : r.n;
    r.complex = x[2] == 2;
    r.window = has_operand(in, kWindow) ? kWindow : -1;
    r.outer = x[0];
    r.inner = (x[1] - r.n) / step + 1;
    r.x = {element_count({x[1], x[2]}, label()), r.inner > 1 ? step * x[2] : 0, x[2]};
    r.y = {element_count({r.inner, r.bins, 2}, label()), r.bins * 2, 2};
    return r;
  }

  bool onesided_;
};

}  // namespace

std::unique_ptr<Layer> make_stft(const Node& node) { return std::make_unique<Stft>(node); }

}  // namespace tally
