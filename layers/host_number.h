#pragma once
// Element types as C++ types, for the plain host paths.
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tally/platforms/dtype.h"

namespace tally {

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls f(TypeTag<T>{}) with the C++ type of a floating-point or integer element type; false for any other.
template <class F>
bool with_number_type(DType type, F&& f) {
  switch (type) {
    case DType::f32:
      f(TypeTag<float>{});
      return true;
    case DType::f64:
      f(TypeTag<double>{});
      return true;
    case DType::f16:
      f(TypeTag<Half>{});
      return true;
    case DType::bf16:
      f(TypeTag<BFloat16>{});
      return true;
    case DType::i8:
      f(TypeTag<int8_t>{});
      return true;
    case DType::u8:
      f(TypeTag<uint8_t>{});
      return true;
    case DType::i16:
      f(TypeTag<int16_t>{});
      return true;
    case DType::u16:
      f(TypeTag<uint16_t>{});
      return true;
    case DType::i32:
      f(TypeTag<int32_t>{});
      return true;
    case DType::u32:
      f(TypeTag<uint32_t>{});
      return true;
    case DType::i64:
      f(TypeTag<int64_t>{});
      return true;
    case DType::u64:
      f(TypeTag<uint64_t>{});
      return true;
    default:
      return false;
  }
}

/// The same; boolean as uint8_t.
template <class F>
bool with_element_type(DType type, F&& f) {
  return with_number_type(type == DType::boolean ? DType::u8 : type, std::forward<F>(f));
}

/// float16, bfloat16, float32, float64.
inline bool is_real(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

/// What sums of products of T are formed in: integers modulo 2^64, everything else in double.
template <class T>
using SumOf = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

template <class T>
SumOf<T> to_sum(T value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return to_float(value);
  else
    return value;
}

/// Reads element i of values whose type is known at run time only.
using RealReader = double (*)(const std::byte* values, int64_t i);
inline RealReader real_reader(DType type) {
  RealReader read = nullptr;
  with_element_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    read = [](const std::byte* values, int64_t i) {
      const T value = reinterpret_cast<const T*>(values)[i];
      if constexpr (std::is_integral_v<T>)
        return static_cast<double>(value);
      else
        return static_cast<double>(to_sum(value));
    };
  });
  return read;
}

/// Rounds once; integers wrap.
template <class T>
T from_sum(SumOf<T> sum) {
  if constexpr (std::is_same_v<T, Half>)
    return to_half(static_cast<float>(sum));
  else if constexpr (std::is_same_v<T, BFloat16>)
    return to_bfloat16(static_cast<float>(sum));
  else
    return static_cast<T>(sum);
}

}  // namespace tally
