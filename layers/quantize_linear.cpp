// QuantizeLinear: y = saturate(round(x / scale) + zero point), halves to even; to 8-bit floats y = round(x / scale).
// ONNX QuantizeLinear, opset 10 to 24.
#include <cmath>

#include "tally/layers/element_type.h"
#include "tally/layers/formula.h"
#include "tally/layers/placement.h"
#include "tally/layers/quantize.h"
#include "tally/platforms/float8.h"

namespace tally {

namespace {

/// A number as `type` holds it; of integers every one.
double as(DType type, double value) {
  if (type == DType::f32) return static_cast<float>(value);
  if (type == DType::f16) return to_float(to_half(static_cast<float>(value)));
  if (type == DType::bf16) return to_float(to_bfloat16(static_cast<float>(value)));
  return value;
}

class QuantizeLinear final : public Layer {
 public:
  static constexpr int kX = 0, kScale = 1, kZero = 2;

  explicit QuantizeLinear(const Node& node) : Layer(node), axis_(node), saturates_(node.get_int("saturate", 1) != 0) {
    if (const int64_t code = node.get_int("output_dtype", 0); code != 0) {
      stated_ = type_of_code(code);
      if (!is_quantised(stated_))
        fail(label(), text("output_dtype=", code), "must be an integer of 4, 8 or 16 bits or a float8");
    }
    if (const int64_t code = node.get_int("precision", 0); code != 0) {
      precision_ = type_of_code(code);
      if (!is_scale(precision_)) fail(label(), text("precision=", code), "must be float32, float16 or bfloat16");
    }
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 3);
    for (int i : {kX, kScale}) {
      const DType type = in[static_cast<size_t>(i)].dtype;
      if (!is_scale(type) && type != DType::i32)
        fail(label(), text(i == kX ? "x" : "y_scale", " of type ", name_of(type)),
             "must be float32, float16, bfloat16 or int32");
    }
    DType y = stated_;
    if (has_zero(in)) {
      if (stated_ != DType::undefined && in[kZero].dtype != stated_)
        fail(label(), text("y_zero_point of type ", name_of(in[kZero].dtype)),
             text("must be ", name_of(stated_), " as output_dtype says"));
      y = in[kZero].dtype;
      if (!is_quantised(y))
        fail(label(), text("y_zero_point of type ", name_of(y)), "must be an integer of 4, 8 or 16 bits or a float8");
    }
    parameter_rows(axis_, in, label());
    return {{y == DType::undefined ? DType::u8 : y, in[kX].shape}};
  }

  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override { return input == kX ? -1 : 0; }

  // Div, Round and Clip's two of integers, Add of a zero point.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    const int64_t n = element_count(in[kX].shape, label());
    const bool integer = !is_float8(out[0].dtype);
    Cost cost;
    cost.source = "ONNX QuantizeLinear, opset 10 to 24: quotient, rounding, zero point and saturation an element";
    cost.formulas = {product(label(), "comparisons", {{"elements", n}, {"comparisons an element", integer ? 2 : 0}}),
                     product(label(), "elementwise",
                             {{"elements", n}, {"operations an element", integer ? (has_zero(in) ? 5 : 4) : 1}})};
    cost.comparisons = cost.formulas[0].value;
    cost.elementwise = cost.formulas[1].value;
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
    const DType y = p.outputs()[0].dtype, divided = precision_ == DType::undefined ? in[kScale].dtype : precision_;
    const bool single = in[kX].dtype == DType::f32 && in[kScale].dtype == DType::f32 && divided == DType::f32;
    if (single && rows.stride == 0 && y == DType::u8) return add_fast_step<uint8_t>(p, rows);
    if (single && rows.stride == 0 && y == DType::i8) return add_fast_step<int8_t>(p, rows);
    const ElementReader x = element_reader(in[kX].dtype), scale = element_reader(in[kScale].dtype);
    const ElementReader zero = element_reader(y);
    const ElementWriter write = element_writer(y, saturates_);
    const bool integer = !is_float8(y);
    add_row_step(p, rows, kHostCyclesPerElement, [=](const QuantizationOperands& at, int64_t row) {
      const int64_t first = rows.parameter(row);
      for (int64_t i = rows.begin(row); i < rows.end(row); ++i) {
        const int64_t parameter = first + (i - rows.begin(row)) * rows.stride;
        double q = as(divided, as(divided, x(at.x, i)) / as(divided, scale(at.scale, parameter)));
        if (integer) q = (std::isnan(q) ? 0.0 : std::nearbyint(q)) + (at.zero ? zero(at.zero, parameter) : 0.0);
        write(at.y, i, q);
      }
    });
  }

 private:
  static bool has_zero(Operands in) { return in.size() > kZero && in[kZero].present; }

  template <class T>
  static void add_fast_step(Preparation& p, const ParameterRows& rows) {
    constexpr double kCyclesPerElement = 1.7;  // as compilers vectorise it for SSE2, Zen 4
    add_row_step(p, rows, kCyclesPerElement, [=](const QuantizationOperands& at, int64_t row) {
      const int64_t parameter = rows.parameter(row), begin = rows.begin(row);
      const T zero = at.zero ? reinterpret_cast<const T*>(at.zero)[parameter] : T{0};
      quantise_row(reinterpret_cast<const float*>(at.x) + begin, reinterpret_cast<const float*>(at.scale)[parameter],
                   zero, reinterpret_cast<T*>(at.y) + begin, rows.end(row) - begin);
    });
  }

  QuantizationAxis axis_;
  bool saturates_;
  DType stated_ = DType::undefined;     ///< output_dtype
  DType precision_ = DType::undefined;  ///< in which x / scale is computed; undefined: the scale's
};

}  // namespace

std::unique_ptr<Layer> make_quantize_linear(const Node& node) { return std::make_unique<QuantizeLinear>(node); }

}  // namespace tally
