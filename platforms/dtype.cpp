#include "tally/platforms/dtype.h"

#include <bit>

namespace tally {
namespace {

struct Row {
  DType type;
  int bits;
  std::string_view name;
};

constexpr Row kRows[] = {
    {DType::undefined, 0, "undefined"},
    {DType::f32, 32, "float32"},
    {DType::f16, 16, "float16"},
    {DType::bf16, 16, "bfloat16"},
    {DType::f64, 64, "float64"},
    {DType::i8, 8, "int8"},
    {DType::u8, 8, "uint8"},
    {DType::i16, 16, "int16"},
    {DType::u16, 16, "uint16"},
    {DType::i32, 32, "int32"},
    {DType::u32, 32, "uint32"},
    {DType::i64, 64, "int64"},
    {DType::u64, 64, "uint64"},
    {DType::boolean, 8, "bool"},
    {DType::i4, 4, "int4"},
    {DType::u4, 4, "uint4"},
    {DType::f8e4m3fn, 8, "float8e4m3fn"},
    {DType::f8e4m3fnuz, 8, "float8e4m3fnuz"},
    {DType::f8e5m2, 8, "float8e5m2"},
    {DType::f8e5m2fnuz, 8, "float8e5m2fnuz"},
    {DType::complex64, 64, "complex64"},
    {DType::complex128, 128, "complex128"},
    {DType::string, 0, "string"},
};

constexpr bool rows_follow_the_enum() {
  int i = 0;
  for (const Row& row : kRows) {
    if (static_cast<int>(row.type) != i++) return false;
  }
  return i == static_cast<int>(DType::string) + 1;
}
static_assert(rows_follow_the_enum());

}  // namespace

int bits_of(DType type) { return kRows[static_cast<size_t>(type)].bits; }

int64_t bytes_of(DType type, int64_t count) {
  const int bits = bits_of(type);
  return bits == 4 ? count / 2 + count % 2 : count * (bits / 8);
}

std::string_view name_of(DType type) { return kRows[static_cast<size_t>(type)].name; }

float to_float(Half value) {
  const uint32_t sign = uint32_t{value.bits & 0x8000u} << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1fu;
  const uint32_t fraction = value.bits & 0x3ffu;
  if (exponent == 0) {  // zero or denormal: fraction · 2^−24, exact in binary32
    if (fraction == 0) return std::bit_cast<float>(sign);
    // By the exponent: a single-precision multiplication would be one that nobody has counted.
    return std::bit_cast<float>((std::bit_cast<uint32_t>(static_cast<float>(fraction)) - (24u << 23)) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

float to_float(BFloat16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }

Half to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const auto signed_half = [sign](uint32_t half) { return Half{static_cast<uint16_t>(sign | half)}; };
  if (magnitude > 0x7f800000u) return signed_half(0x7e00u | (magnitude >> 13 & 0x3ffu));  // NaN, made quiet
  if (magnitude >= 0x47800000u) return signed_half(0x7c00u);                              // 65,536 and more
  if (magnitude < 0x38800000u) {
    // Below 2^−14. Adding 0.5 leaves the value, in units of 2^−24 and rounded to nearest even, in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return signed_half(std::bit_cast<uint32_t>(shifted) - 0x3f000000u);
  }
  // Rebias by −112 and round to nearest even; a carry out of the fraction rightly goes to the exponent, up to infinity.
  const uint32_t odd = magnitude >> 13 & 1;
  return signed_half((magnitude - (112u << 23) + 0xfffu + odd) >> 13);
}

BFloat16 to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

}  // namespace tally
