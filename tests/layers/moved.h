#pragma once
// Checks of layers that move elements: which element of X each of Y must be.
#include <functional>

#include "layer_run.h"

namespace tally::test {

using Ints = std::vector<int64_t>;

inline std::string error_of(const GraphMaker& made) {
  try {
    run_graph(made, Isa::scalar);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Elements 0, 1, 2 … of any type of 1, 4, 8 or 16 bytes.
inline Tensor counted(DType type, const Shape& shape) {
  Tensor t(type, shape);
  for (int64_t i = 0; i < t.elements(); ++i) {
    const auto n = static_cast<size_t>(i);
    switch (type) {
      case DType::f32:
        t.mutable_values<float>()[n] = static_cast<float>(i);
        break;
      case DType::u8:
        t.mutable_values<uint8_t>()[n] = static_cast<uint8_t>(i);
        break;
      case DType::i64:
        t.mutable_values<int64_t>()[n] = i;
        break;
      case DType::f16:
        t.mutable_values<Half>()[n] = to_half(static_cast<float>(i));
        break;
      default:
        t.mutable_values<double>()[2 * n] = static_cast<double>(i);
        break;  // complex128
    }
  }
  return t;
}

/// Elements as integers, whatever their type; NaN and what no int64 holds as 0.
inline Ints whole(const Tensor& t) {
  if (t.dtype() == DType::i64) return {t.values<int64_t>().begin(), t.values<int64_t>().end()};
  Ints values;
  for (double v : t.to_double()) values.push_back(v >= -0x1p63 && v < 0x1p63 ? static_cast<int64_t>(v) : 0);
  return values;
}

/// Raw bytes of element i.
inline std::string element(const Tensor& t, int64_t i) {
  const auto bytes = static_cast<size_t>(bytes_of(t.dtype(), 1));
  return {static_cast<const char*>(t.data()) + static_cast<size_t>(i) * bytes, bytes};
}

inline constexpr DType kTypes[] = {DType::f32, DType::u8, DType::i64, DType::f16, DType::complex128};

/// Checks Y[i] == X[source(i)], −1: all bytes zero.
inline void check_moved(const Tensor& y, const Tensor& x, const Shape& shape,
                        const std::function<int64_t(const Shape&)>& source) {
  REQUIRE(y.shape() == shape);
  const Shape strides = row_major_strides(shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    Shape at;
    for (size_t d = 0; d < shape.size(); ++d) at.push_back(i / strides[d] % shape[d]);
    const int64_t from = source(at);
    const std::string expected =
        from < 0 ? std::string(static_cast<size_t>(bytes_of(y.dtype(), 1)), '\0') : element(x, from);
    if (element(y, i) == expected) continue;
    FAIL_CHECK("element " << i << " must be element " << from);
    return;
  }
}

}  // namespace tally::test
