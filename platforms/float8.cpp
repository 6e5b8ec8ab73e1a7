#include "tally/platforms/float8.h"

#include <cmath>
#include <limits>

namespace tally {
namespace {

/// Sign, exponent, mantissa. `finite`: no infinity, NaN where all bits but the sign are set (FN); `unsigned_zero`: no
/// negative zero, whose pattern is the only NaN (FNUZ). Without either it is IEEE 754's scheme.
struct Float8 {
  int mantissa_bits, bias;
  bool finite, unsigned_zero;

  /// Bits of the largest finite value.
  int largest() const {
    if (unsigned_zero) return 0x7f;
    return finite ? 0x7e : 0x7f - (1 << mantissa_bits);
  }
  uint8_t nan() const { return unsigned_zero ? 0x80 : 0x7f; }
};

constexpr Float8 kE4M3Fn{3, 7, true, false};
constexpr Float8 kE4M3FnUz{3, 8, true, true};
constexpr Float8 kE5M2{2, 15, false, false};
constexpr Float8 kE5M2FnUz{2, 16, true, true};

const Float8& format_of(DType type) {
  switch (type) {
    case DType::f8e4m3fn:
      return kE4M3Fn;
    case DType::f8e4m3fnuz:
      return kE4M3FnUz;
    case DType::f8e5m2:
      return kE5M2;
    default:
      return kE5M2FnUz;
  }
}

}  // namespace

bool is_float8(DType type) {
  return type == DType::f8e4m3fn || type == DType::f8e4m3fnuz || type == DType::f8e5m2 || type == DType::f8e5m2fnuz;
}

double from_float8(DType type, uint8_t bits) {
  const Float8& f = format_of(type);
  const int mantissa_values = 1 << f.mantissa_bits;
  const int exponent = (bits & 0x7f) >> f.mantissa_bits;
  const int mantissa = bits & (mantissa_values - 1);
  const double sign = (bits & 0x80) != 0 ? -1.0 : 1.0;
  const bool top_exponent = exponent == 0x7f >> f.mantissa_bits;
  if (f.unsigned_zero && bits == 0x80) return std::nan("");
  if (!f.unsigned_zero && f.finite && (bits & 0x7f) == 0x7f) return std::nan("");
  if (!f.finite && top_exponent) return mantissa != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
  return sign * std::ldexp(mantissa_values + mantissa, exponent - f.bias - f.mantissa_bits);
}

uint8_t to_float8(DType type, double value, bool saturate) {
  const Float8& f = format_of(type);
  if (std::isnan(value)) return f.nan();
  const int sign = std::signbit(value) ? 0x80 : 0;
  int code = 0x7f;  // infinity: beyond every format's largest
  if (std::isfinite(value)) {
    const double magnitude = std::abs(value);
    int exponent = 1 - f.bias;  // of denormals and zero
    if (magnitude >= std::ldexp(1.0, exponent)) exponent = std::ilogb(magnitude);
    // In units of the last place: 2^mantissa_bits and more carry into the exponent's bits, denormals have none.
    const auto units = static_cast<int>(std::nearbyint(std::ldexp(magnitude, f.mantissa_bits - exponent)));
    code = ((exponent + f.bias - 1) << f.mantissa_bits) + units;
  }
  if (code > f.largest() || std::isinf(value)) {
    if (!saturate) return f.finite ? f.nan() : static_cast<uint8_t>(sign | (f.largest() + 1));
    code = f.largest();
  }
  if (code == 0 && f.unsigned_zero) return 0;
  return static_cast<uint8_t>(sign | code);
}

}  // namespace tally
