#include "tally/platforms/float8.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tally/platforms/nibble.h"

using namespace tally;

namespace {

constexpr DType kFormats[] = {DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Codes of the finite values that are not negative, which ascend with them.
std::vector<uint8_t> finite_codes(DType type) {
  std::vector<uint8_t> codes;
  for (int code = 0; code < 0x80; ++code)
    if (std::isfinite(from_float8(type, static_cast<uint8_t>(code)))) codes.push_back(static_cast<uint8_t>(code));
  return codes;
}

}  // namespace

TEST_CASE("float8: every value comes back, of either sign") {
  for (DType type : kFormats) {
    CAPTURE(name_of(type));
    for (uint8_t code : finite_codes(type)) {
      const double value = from_float8(type, code);
      CHECK(to_float8(type, value, true) == code);
      const bool no_negative_zero = code == 0 && (type == DType::f8e4m3fnuz || type == DType::f8e5m2fnuz);
      CHECK(to_float8(type, -value, false) == (no_negative_zero ? 0 : code + 0x80));
    }
  }
}

TEST_CASE("float8: between two neighbours the nearer, of a half the even one") {
  for (DType type : kFormats) {
    CAPTURE(name_of(type));
    const std::vector<uint8_t> codes = finite_codes(type);
    for (size_t i = 0; i + 1 < codes.size(); ++i) {
      const double low = from_float8(type, codes[i]), high = from_float8(type, codes[i + 1]);
      REQUIRE(low < high);
      const double half = (low + high) / 2;
      CHECK(to_float8(type, half, true) == (codes[i] % 2 == 0 ? codes[i] : codes[i + 1]));
      CHECK(to_float8(type, std::nextafter(half, low), true) == codes[i]);
      CHECK(to_float8(type, std::nextafter(half, high), true) == codes[i + 1]);
    }
  }
}

TEST_CASE("float8: what is too large, as ONNX Cast (opset 19) has it") {
  for (DType type : kFormats) {
    CAPTURE(name_of(type));
    const uint8_t largest = finite_codes(type).back();
    const double value = from_float8(type, largest), step = value - from_float8(type, largest - 1);
    const bool even = largest % 2 == 0;
    for (double large : {value + step, value * 2, 1e300, kInfinity}) {
      CHECK(to_float8(type, large, true) == largest);
      CHECK(to_float8(type, -large, true) == largest + 0x80);
      const double unsaturated = from_float8(type, to_float8(type, -large, false));
      CHECK((type == DType::f8e5m2 ? unsaturated == -kInfinity : std::isnan(unsaturated)));
    }
    // Half a step beyond the largest rounds to it where it is even.
    CHECK((to_float8(type, value + step / 2, false) == largest) == even);
    CHECK(to_float8(type, value + step / 4, false) == largest);
    CHECK(std::isnan(from_float8(type, to_float8(type, std::nan(""), true))));
    CHECK(to_float8(type, 1e-300, true) == 0);
  }
  CHECK_FALSE(is_float8(DType::u8));
}

TEST_CASE("nibbles: set in order, whatever was there before") {
  std::vector<uint8_t> packed(3, 0xff);
  for (size_t i = 0; i < 5; ++i) set_nibble(packed.data(), i, static_cast<int>(i) - 2);
  CHECK(packed == std::vector<uint8_t>{0xfe, 0x10, 0x02});
  CHECK(nibble_at(packed.data(), 0, true) == -2);
  CHECK(nibble_at(packed.data(), 0, false) == 14);
  CHECK(nibble_at(packed.data(), 1, true) == -1);
  CHECK(nibble_at(packed.data(), 4, true) == 2);
}
