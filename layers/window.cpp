// Windows of `size` elements, w_i = a0 − a1·cos(2πi/N) + a2·cos(4πi/N) with N = size, or size − 1 where not `periodic`:
//   HannWindow      0.5, 0.5, 0
//   HammingWindow   25/46, 21/46, 0
//   BlackmanWindow  0.42, 0.5, 0.08
// ONNX, opset 17. Known when a plan is made. A symmetric window of one element is 1, as in NumPy and PyTorch.
#include <cmath>

#include "tally/layers/element_type.h"
#include "tally/layers/fourier_step.h"
#include "tally/layers/real_number.h"
#include "tally/layers/value_layer.h"

namespace tally {

namespace {

struct CosineTerms {
  double a0, a1, a2;
};

class CosineWindow final : public ValueLayer {
 public:
  CosineWindow(const Node& node, CosineTerms terms)
      : ValueLayer(node),
        terms_(terms),
        periodic_(node.get_int("periodic", 1) != 0),
        dtype_(type_of_code(node.get_int("output_datatype", 1))) {
    if (!with_number_type(dtype_, [](auto) {})) fail(label(), "output_datatype", "must be a number of 8 bits or more");
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    const int64_t size = scalar_integer(label(), "size", in[0]);
    if (size < 0) fail(label(), text("size ", size), "must be >= 0");
    element_count({size}, label());
    return {{dtype_, {size}}};
  }

  std::vector<Tensor> values_from_types(Operands, std::span<const TensorType> out) const override {
    constexpr double kPi = 3.14159265358979323846;
    Tensor y(out[0].dtype, out[0].shape);
    const auto period = static_cast<double>(periodic_ ? y.elements() : y.elements() - 1);
    with_number_type(dtype_, [&](auto tag) {
      using T = typename decltype(tag)::type;
      int64_t i = 0;
      for (T& value : y.mutable_values<T>()) {
        const double angle = 2 * kPi * static_cast<double>(i++) / period;
        const double w = period == 0 ? 1 : terms_.a0 - terms_.a1 * std::cos(angle) + terms_.a2 * std::cos(2 * angle);
        value = from_real<T>(std::is_integral_v<T> ? std::trunc(w) : w);  // as a cast does
      }
    });
    return {y};
  }

 private:
  CosineTerms terms_;
  bool periodic_;
  DType dtype_;
};

}  // namespace

std::unique_ptr<Layer> make_hann_window(const Node& node) {
  return std::make_unique<CosineWindow>(node, CosineTerms{0.5, 0.5, 0});
}
std::unique_ptr<Layer> make_hamming_window(const Node& node) {
  return std::make_unique<CosineWindow>(node, CosineTerms{25.0 / 46, 21.0 / 46, 0});
}
std::unique_ptr<Layer> make_blackman_window(const Node& node) {
  return std::make_unique<CosineWindow>(node, CosineTerms{0.42, 0.5, 0.08});
}

}  // namespace tally
