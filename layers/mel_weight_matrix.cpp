// MelWeightMatrix: W[⌊n/2⌋ + 1, M], column m a triangle over the bins of a transform of n samples, with its peak 1 at
// edge m + 1 and its feet at edges m and m + 2. The M + 2 edges lie evenly, M + 2 to the whole range, on the mel scale
//   mel(f) = 2595·log10(1 + f/700)
// from lower_edge_hertz on, each rounded down to a bin, ⌊(n + 1)·f / sample_rate⌋. ONNX, opset 17. Known when a plan is
// made.
#include <algorithm>
#include <cmath>

#include "tally/layers/element_type.h"
#include "tally/layers/fourier_step.h"
#include "tally/layers/real_number.h"
#include "tally/layers/value_layer.h"

namespace tally {

namespace {

constexpr int kBands = 0, kLength = 1, kRate = 2, kLower = 3, kUpper = 4;

double mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double hertz(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

class MelWeightMatrix final : public ValueLayer {
 public:
  explicit MelWeightMatrix(const Node& node)
      : ValueLayer(node), dtype_(type_of_code(node.get_int("output_datatype", 1))) {
    if (!with_number_type(dtype_, [](auto) {})) fail(label(), "output_datatype", "must be a number of 8 bits or more");
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 5, 5);
    const Setup s = setup(in);
    const Shape y{s.length / 2 + 1, s.bands};
    element_count(y, label());
    return {{dtype_, y}};
  }

  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType> out) const override {
    const Setup s = setup(in);
    const int64_t bins = out[0].shape[0];
    Tensor y(out[0].dtype, out[0].shape);
    with_number_type(dtype_, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const auto set = [&](int64_t bin, int64_t band, double w) {
        y.mutable_values<T>()[static_cast<size_t>(bin * s.bands + band)] =
            from_real<T>(std::is_integral_v<T> ? std::trunc(w) : w);  // as a cast does
      };
      int64_t left = 0, peak = edge(s, 0), right = edge(s, 1);
      for (int64_t m = 0; m < s.bands; ++m) {
        left = peak, peak = right, right = edge(s, m + 2);
        for (int64_t j = left; j < std::min(peak, bins); ++j)
          set(j, m, static_cast<double>(j - left) / static_cast<double>(peak - left));
        for (int64_t j = peak; j < std::min(right, bins); ++j)
          set(j, m, static_cast<double>(right - j) / static_cast<double>(right - peak));
        if (peak < bins) set(peak, m, 1);
      }
    });
    return {y};
  }

 private:
  struct Setup {
    int64_t bands = 0, length = 0, rate = 0;
    double lower = 0, step = 0;  ///< the first edge and the distance of two, on the mel scale
  };

  Setup setup(Operands in) const {
    Setup s;
    const auto at_least = [&](int input, const char* what, int64_t least) {
      const int64_t value = scalar_integer(label(), what, in[static_cast<size_t>(input)]);
      if (value < least || value >= int64_t{1} << 40)
        fail(label(), text(what, " ", value), text("must be ", least, " to 2^40"));
      return value;
    };
    s.bands = at_least(kBands, "num_mel_bins", 0);
    s.length = at_least(kLength, "dft_length", 0);
    s.rate = at_least(kRate, "sample_rate", 1);
    const double lower = edge_hertz(in[kLower]), upper = edge_hertz(in[kUpper]);
    if (upper < lower) fail(label(), text("edges at ", lower, " and ", upper, " Hz"), "must not fall");
    s.lower = mel(lower);
    s.step = (mel(upper) - s.lower) / static_cast<double>(s.bands + 2);
    return s;
  }

  double edge_hertz(const Operand& operand) const {
    if (!is_real(operand.dtype) || element_count(operand.shape) != 1)
      fail(label(), text("edge of type ", name_of(operand.dtype), ", shape ", to_string(operand.shape)),
           "must be a scalar of float16, bfloat16, float32 or float64");
    const double value = operand.constant->to_double()[0];
    if (!(value >= 0 && value < 0x1p60)) fail(label(), text("edge at ", value, " Hz"), "must be 0 to 2^60");
    return value;
  }

  /// The bin of edge m.
  static int64_t edge(const Setup& s, int64_t m) {
    const double f = hertz(s.lower + s.step * static_cast<double>(m));
    const double bin = std::floor(static_cast<double>(s.length + 1) * f / static_cast<double>(s.rate));
    return static_cast<int64_t>(std::clamp(bin, 0.0, 0x1p50));  // far beyond every bin
  }

  DType dtype_;
};

}  // namespace

std::unique_ptr<Layer> make_mel_weight_matrix(const Node& node) { return std::make_unique<MelWeightMatrix>(node); }

}  // namespace tally
