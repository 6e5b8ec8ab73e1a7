// DFT along one axis of x[…, n, …, 1 or 2], the last dimension holding a real number or both parts of a complex one:
//   Y_k = Σ_j x_j e^(−2πi·jk/n), k in [0, n), or [0, n/2] with `onesided`;
// `inverse`: e^(+2πi·jk/n), divided by n. n is dft_length, zeros behind shorter rows, longer ones cut off. ONNX DFT,
// opset 17 (axis an attribute, default 1) and 20 (an input, default −2). Computed in double, whatever the type.
#include "tally/layers/fourier_step.h"
#include "tally/layers/host_number.h"
#include "tally/layers/operand.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr int kX = 0, kLength = 1, kAxis = 2;

class Dft final : public HostLayer {
 public:
  explicit Dft(const Node& node)
      : HostLayer(node),
        inverse_(node.get_int("inverse", 0) != 0),
        onesided_(node.get_int("onesided", 0) != 0),
        axis_input_(node.opset >= 20),
        axis_(axis_input_ ? -2 : node.get_int("axis", 1)) {}

  bool needs_value(int input) const override { return input == kLength || input == kAxis; }
  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override { return input == kX ? -1 : 0; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, axis_input_ ? 3 : 2);
    const Shape& x = in[kX].shape;
    if (!is_real(in[kX].dtype))
      fail(label(), text("x of type ", name_of(in[kX].dtype)), "must be float16, bfloat16, float32 or float64");
    if (x.size() < 2 || (x.back() != 1 && x.back() != 2))
      fail(label(), text("x of shape ", to_string(x)), "must have rank >= 2, its last extent 1 (real) or 2 (complex)");
    const FourierRows r = rows(in);
    if (onesided_ && r.complex) fail(label(), "onesided=1 of complex numbers", "must be 0");
    Shape y = x;
    y[axis(in)] = r.bins;
    y.back() = 2;
    element_count(y, label());
    return {{in[kX].dtype, y}};
  }

  // Σ over rows of one transform. That there is a faster way than the sum as defined is what the operator is for.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const FourierRows r = rows(in);
    return fourier_cost("ONNX DFT, opset 17 to 24: a fast transform a row; Frigo and Johnson's count", count(in), r.n,
                        r.complex, 0);
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto own = static_cast<int>(axis(in)), parts = static_cast<int>(in[kX].shape.size()) - 1;
    return stream_through(in, time_axes, 1, [&](int time) { return time == own || time == parts ? -1 : time; });
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Operands in = p.inputs();
    const int64_t operations = fourier_operations(rows(in).n, false), transforms = count(in);
    if (transforms == 0) return;
    add_fourier_step(p, rows(in), static_cast<double>(operations) * static_cast<double>(transforms));
  }

 private:
  size_t axis(Operands in) const {
    const auto rank = static_cast<int64_t>(in[kX].shape.size());
    const int64_t asked = axis_input_ && has_operand(in, kAxis) ? scalar_integer(label(), "axis", in[kAxis]) : axis_;
    const int64_t axis = normalize_axis(asked, rank, label());
    if (axis == rank - 1) fail(label(), text("axis=", asked), "must not be the last: it holds the parts of a number");
    return static_cast<size_t>(axis);
  }

  FourierRows rows(Operands in) const {
    const Shape& x = in[kX].shape;
    const size_t d = axis(in);
    FourierRows r;
    r.n = has_operand(in, kLength) ? scalar_integer(label(), "dft_length", in[kLength]) : x[d];
    if (r.n < 1 || r.n > kLongestTransform)
      fail(label(), text("transforms of length ", r.n), "must be of 1 to 2^32", ErrorCode::limit);
    r.samples = std::min(r.n, x[d]);
    r.bins = onesided_ ? r.n / 2 + 1 : r.n;
    r.complex = x.back() == 2;
    r.inverse = inverse_;
    const auto at = static_cast<std::ptrdiff_t>(d);
    r.outer = element_count(Shape(x.begin(), x.begin() + at), label());
    r.inner = element_count(Shape(x.begin() + at + 1, x.end() - 1), label());
    r.x = {element_count({x[d], r.inner, x.back()}, label()), x.back(), r.inner * x.back()};
    r.y = {element_count({r.bins, r.inner, 2}, label()), 2, r.inner * 2};
    return r;
  }

  int64_t count(Operands in) const {
    const FourierRows r = rows(in);
    return element_count({r.outer, r.inner}, label());
  }

  bool inverse_, onesided_, axis_input_;
  int64_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_dft(const Node& node) { return std::make_unique<Dft>(node); }

}  // namespace tally
