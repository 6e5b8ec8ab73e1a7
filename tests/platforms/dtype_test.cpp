#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <doctest/doctest.h>

#include "tally/platforms/dtype.h"

using namespace tally;

TEST_CASE("every binary16 value survives the way to binary32 and back") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const Half half{static_cast<uint16_t>(bits)};
    const float value = to_float(half);
    const bool nan = (bits & 0x7c00u) == 0x7c00u && (bits & 0x3ffu) != 0;
    REQUIRE(std::isnan(value) == nan);
    REQUIRE(to_half(value).bits == (nan ? bits | 0x200u : bits));  // a signalling NaN comes back quiet
    if (nan) continue;
    // The definition: (−1)^s · 2^(e − 15) · 1.f, or 2^−14 · 0.f for e = 0.
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const double fraction = bits & 0x3ffu;
    double truth = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) truth = std::numeric_limits<double>::infinity();
    REQUIRE(value == (bits & 0x8000u ? -truth : truth));
    REQUIRE(std::signbit(value) == ((bits & 0x8000u) != 0));
  }
}

TEST_CASE("every bfloat16 value survives the way to binary32 and back") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = to_float(BFloat16{static_cast<uint16_t>(bits)});
    REQUIRE(std::bit_cast<uint32_t>(value) == bits << 16);
    REQUIRE(to_bfloat16(value).bits == (std::isnan(value) ? bits | 0x40u : bits));
  }
}

TEST_CASE("narrowing rounds to nearest, ties to even") {
  // Between each two neighbours: just below the middle goes down, just above goes up, the middle to the even one.
  for (uint32_t bits = 0; bits < 0x7bffu; ++bits) {
    const double low = to_float(Half{static_cast<uint16_t>(bits)});
    const double high = to_float(Half{static_cast<uint16_t>(bits + 1)});
    const float middle = static_cast<float>((low + high) / 2);  // exact: one more bit
    REQUIRE(to_half(middle).bits == (bits & 1 ? bits + 1 : bits));
    REQUIRE(to_half(std::nextafterf(middle, 0.0f)).bits == bits);
    REQUIRE(to_half(std::nextafterf(middle, 1e9f)).bits == bits + 1);
    REQUIRE(to_half(-middle).bits == ((bits & 1 ? bits + 1 : bits) | 0x8000u));
  }
  for (uint32_t bits = 0; bits < 0x7f7fu; ++bits) {
    const float middle = std::bit_cast<float>(bits << 16 | 0x8000u);
    REQUIRE(to_bfloat16(middle).bits == (bits & 1 ? bits + 1 : bits));
    REQUIRE(to_bfloat16(std::nextafterf(middle, 0.0f)).bits == bits);
    REQUIRE(to_bfloat16(std::bit_cast<float>(bits << 16 | 0x8001u)).bits == bits + 1);
  }
}

TEST_CASE("narrowing at the ends of the range") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  CHECK(to_half(65504.0f).bits == 0x7bff);
  CHECK(to_half(65519.996f).bits == 0x7bff);
  CHECK(to_half(65520.0f).bits == 0x7c00);  // the middle between the largest value and 65,536
  CHECK(to_half(1e30f).bits == 0x7c00);
  CHECK(to_half(kInf).bits == 0x7c00);
  CHECK(to_half(-kInf).bits == 0xfc00);
  CHECK(to_half(0x1p-25f).bits == 0);  // the middle between 0 and the smallest denormal
  CHECK(to_half(std::nextafterf(0x1p-25f, 1.0f)).bits == 1);
  CHECK(to_half(-0.0f).bits == 0x8000);
  CHECK(to_half(0x1p-149f).bits == 0);
  CHECK(std::isnan(to_float(to_half(std::nanf("")))));
  CHECK(to_bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(to_bfloat16(-kInf).bits == 0xff80);
  // A NaN whose payload lies in the bits that are cut off stays a NaN.
  CHECK(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7f800001u)))));
  CHECK(std::isnan(to_float(to_half(std::bit_cast<float>(0x7f800001u)))));
}

TEST_CASE("sizes and names") {
  CHECK(bits_of(DType::f32) == 32);
  CHECK(bits_of(DType::i4) == 4);
  CHECK(bits_of(DType::string) == 0);
  CHECK(bytes_of(DType::i4, 3) == 2);
  CHECK(bytes_of(DType::u4, 4) == 2);
  CHECK(bytes_of(DType::f64, 3) == 24);
  CHECK(bytes_of(DType::boolean, 7) == 7);
  CHECK(bytes_of(DType::complex128, 2) == 32);
  CHECK(name_of(DType::f32) == "float32");
  CHECK(name_of(DType::boolean) == "bool");
  CHECK(name_of(DType::string) == "string");
}
