#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tally {

/// Element types of ONNX tensors. Values are ours; the reader translates ONNX's numbering.
enum class DType : uint8_t {
  undefined,
  f32,
  f16,
  bf16,
  f64,
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  boolean,
  i4,
  u4,
  f8e4m3fn,
  f8e4m3fnuz,
  f8e5m2,
  f8e5m2fnuz,
  complex64,
  complex128,
  string,
};

/// Bits of one element as stored in memory; 0 for undefined and string. i4 and u4 are packed two a byte.
int bits_of(DType type);

/// Bytes that `count` elements take (4-bit types round up to a whole byte). Checked by the caller against overflow.
int64_t bytes_of(DType type, int64_t count);

/// "float32", "int8", …: the names ONNX and numpy users know.
std::string_view name_of(DType type);

/// IEEE 754 binary16 bits; arithmetic happens in float.
struct Half {
  uint16_t bits = 0;
};
/// bfloat16 bits: the upper half of a binary32.
struct BFloat16 {
  uint16_t bits = 0;
};

/// Exact widening; round-to-nearest-even narrowing with overflow to infinity and quiet NaN kept NaN.
float to_float(Half value);
float to_float(BFloat16 value);
Half to_half(float value);
BFloat16 to_bfloat16(float value);

}  // namespace tally
