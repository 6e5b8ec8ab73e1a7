// Range: Y[i] = start + i·delta, max(⌈(limit − start) / delta⌉, 0) of them. EyeLike: Y[i, j] = 1 where j − i = k, else
// 0. Both are known when a plan is made.
#include <cmath>

#include "tally/layers/element_type.h"
#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/layers/value_layer.h"

namespace tally {

namespace {

class Range final : public ValueLayer {
 public:
  using ValueLayer::ValueLayer;

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 3, 3);
    for (const Operand& operand : in) {
      if (operand.dtype != in[0].dtype)
        fail(label(), text("operands of types ", name_of(in[0].dtype), " and ", name_of(operand.dtype)),
             "must be equal");
      if (element_count(operand.shape) != 1)
        fail(label(), text("operand of shape ", to_string(operand.shape)), "must be a scalar");
    }
    int64_t count = -1;
    with_number_type(in[0].dtype, [&](auto tag) { count = count_of<typename decltype(tag)::type>(in); });
    if (count < 0) fail(label(), text("operands of type ", name_of(in[0].dtype)), "must be numbers of 8 bits or more");
    return {{in[0].dtype, {count}}};
  }

  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType> out) const override {
    Tensor y(out[0].dtype, out[0].shape);
    with_number_type(out[0].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const SumOf<T> start = to_sum(in[0].constant->values<T>()[0]), delta = to_sum(in[2].constant->values<T>()[0]);
      SumOf<T> i = 0;
      for (T& value : y.mutable_values<T>()) value = from_sum<T>(start + delta * i++);
    });
    return {y};
  }

 private:
  template <class T>
  int64_t count_of(Operands in) const {
    constexpr double kMost = 0x1p40;
    const T start = in[0].constant->values<T>()[0], limit = in[1].constant->values<T>()[0],
            delta = in[2].constant->values<T>()[0];
    double count = 0;
    if constexpr (std::is_integral_v<T>) {
      if (delta == 0) fail(label(), "delta 0", "must not be 0");
      // As unsigned numbers, whose differences cannot overflow.
      const bool up = delta > 0;
      const uint64_t low = static_cast<uint64_t>(up ? start : limit), high = static_cast<uint64_t>(up ? limit : start);
      const uint64_t step = up ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
      const uint64_t distance = (up ? limit > start : limit < start) ? high - low : 0;
      count = static_cast<double>(distance / step + (distance % step != 0));
    } else {
      count = std::ceil((to_sum(limit) - to_sum(start)) / to_sum(delta));
      if (!std::isfinite(count))
        fail(label(), text("start ", to_sum(start), ", limit ", to_sum(limit), ", delta ", to_sum(delta)),
             "must be finite, delta not 0");
    }
    if (count > kMost) fail(label(), text(count, " elements"), "must be at most 2^40", ErrorCode::limit);
    return static_cast<int64_t>(std::max(count, 0.0));
  }
};

class EyeLike final : public ValueLayer {
 public:
  explicit EyeLike(const Node& node) : ValueLayer(node), k_(node.get_int("k", 0)), dtype_(DType::undefined) {
    if (node.has("dtype")) dtype_ = type_of_code(node.get_int("dtype", 0));
    if (node.has("dtype") && !makes(dtype_)) fail(label(), "dtype", "must be a number or boolean of 8 bits or more");
  }

  bool needs_value(int) const override { return false; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (in[0].shape.size() != 2) fail(label(), text("input of shape ", to_string(in[0].shape)), "must have rank 2");
    const DType type = dtype_ == DType::undefined ? in[0].dtype : dtype_;
    if (!makes(type)) fail(label(), text("type ", name_of(type)), "must be a number or boolean of 8 bits or more");
    return {{type, in[0].shape}};
  }

  std::vector<Tensor> values_from_types(Operands, std::span<const TensorType> out) const override {
    Tensor y(out[0].dtype, out[0].shape);
    const int64_t rows = out[0].shape[0], columns = out[0].shape[1];
    with_number_type(out[0].dtype == DType::boolean ? DType::u8 : out[0].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (k_ >= columns || k_ <= -rows) return;
      for (int64_t i = std::max<int64_t>(0, -k_); i < rows && i + k_ < columns; ++i)
        y.mutable_values<T>()[static_cast<size_t>(i * columns + i + k_)] = from_sum<T>(1);
    });
    return {y};
  }

 private:
  static bool makes(DType type) {
    return type == DType::boolean || with_number_type(type, [](auto) {});
  }

  int64_t k_;
  DType dtype_;
};

}  // namespace

std::unique_ptr<Layer> make_range(const Node& node) { return std::make_unique<Range>(node); }
std::unique_ptr<Layer> make_eye_like(const Node& node) { return std::make_unique<EyeLike>(node); }

}  // namespace tally
