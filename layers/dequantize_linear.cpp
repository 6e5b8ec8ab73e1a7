// DequantizeLinear: y = (x − zero point) · scale, in the scale's type or the one that the node states. ONNX
// DequantizeLinear, opset 10 to 24.
#include "tally/layers/element_type.h"
#include "tally/layers/formula.h"
#include "tally/layers/placement.h"
#include "tally/layers/quantize.h"

namespace tally {

namespace {

/// 8 bits to float32 with one scale a row. The product is exact in double and rounded once, as one in float32 would be.
template <class T>
void dequantise_row(const T* x, float scale, T zero, float* y, int64_t n) {
  const double factor = scale;
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(static_cast<double>(x[i] - zero) * factor);
}

class DequantizeLinear final : public Layer {
 public:
  static constexpr int kX = 0, kScale = 1, kZero = 2;

  explicit DequantizeLinear(const Node& node) : Layer(node), axis_(node) {
    if (const int64_t code = node.get_int("output_dtype", 0); code != 0) {
      stated_ = type_of_code(code);
      if (!is_scale(stated_)) fail(label(), text("output_dtype=", code), "must be float32, float16 or bfloat16");
    }
  }

  /// A weight stays the same weight in another number format.
  bool keeps_identity() const override { return true; }
  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 3);
    const DType x = in[kX].dtype;
    if (!is_quantised(x) && x != DType::i32)
      fail(label(), text("x of type ", name_of(x)), "must be an integer of 4 to 32 bits or a float8");
    if (!is_scale(in[kScale].dtype))
      fail(label(), text("x_scale of type ", name_of(in[kScale].dtype)), "must be float32, float16 or bfloat16");
    if (has_zero(in) && in[kZero].dtype != x)
      fail(label(), text("x_zero_point of type ", name_of(in[kZero].dtype)), text("must be ", name_of(x), " like x"));
    parameter_rows(axis_, in, label());
    return {{stated_ == DType::undefined ? in[kScale].dtype : stated_, in[kX].shape}};
  }

  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override { return input == kX ? -1 : 0; }

  // Sub of a zero point, Mul.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX DequantizeLinear, opset 10 to 24: zero point and product an element";
    cost.formulas = {
        product(label(), "elementwise",
                {{"elements", element_count(in[kX].shape, label())}, {"operations an element", has_zero(in) ? 2 : 1}})};
    cost.elementwise = cost.formulas[0].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_quantization(axis_, in, time_axes);
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    const double cycles = kHostCyclesPerElement * static_cast<double>(element_count(in[kX].shape));
    return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain, cycles)};
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Operands in = p.inputs();
    const ParameterRows rows = parameter_rows(axis_, in, label());
    const DType y = p.outputs()[0].dtype;
    const bool single = y == DType::f32 && in[kScale].dtype == DType::f32;
    if (single && rows.stride == 0 && in[kX].dtype == DType::u8) return add_fast_step<uint8_t>(p, rows);
    if (single && rows.stride == 0 && in[kX].dtype == DType::i8) return add_fast_step<int8_t>(p, rows);
    const ElementReader x = element_reader(in[kX].dtype), scale = element_reader(in[kScale].dtype);
    const ElementWriter write = element_writer(y, false);
    add_row_step(p, rows, kHostCyclesPerElement, [=](const QuantizationOperands& at, int64_t row) {
      const int64_t first = rows.parameter(row);
      for (int64_t i = rows.begin(row); i < rows.end(row); ++i) {
        const int64_t parameter = first + (i - rows.begin(row)) * rows.stride;
        const double zero = at.zero ? x(at.zero, parameter) : 0.0;
        write(at.y, i, (x(at.x, i) - zero) * scale(at.scale, parameter));
      }
    });
  }

 private:
  static bool has_zero(Operands in) { return in.size() > kZero && in[kZero].present; }

  template <class T>
  static void add_fast_step(Preparation& p, const ParameterRows& rows) {
    constexpr double kCyclesPerElement = 1;  // as compilers vectorise it for SSE2, Zen 4
    add_row_step(p, rows, kCyclesPerElement, [=](const QuantizationOperands& at, int64_t row) {
      const int64_t parameter = rows.parameter(row), begin = rows.begin(row);
      const T zero = at.zero ? reinterpret_cast<const T*>(at.zero)[parameter] : T{0};
      dequantise_row(reinterpret_cast<const T*>(at.x) + begin, reinterpret_cast<const float*>(at.scale)[parameter],
                     zero, reinterpret_cast<float*>(at.y) + begin, rows.end(row) - begin);
    });
  }

  QuantizationAxis axis_;
  DType stated_ = DType::undefined;  ///< output_dtype
};

}  // namespace

std::unique_ptr<Layer> make_dequantize_linear(const Node& node) { return std::make_unique<DequantizeLinear>(node); }

}  // namespace tally
