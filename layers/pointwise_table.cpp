// The table of pointwise operators. Costs: comparisons of two numbers count as comparisons and nothing else, selections
// and tests of a number's kind move data; operators that the standard defines as functions cost what their body costs.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "tally/layers/pointwise.h"

namespace tally {

namespace {

using P = PointwiseParameters;

int64_t as_signed(uint64_t x) { return static_cast<int64_t>(x); }
bool is_negative(uint64_t x, const P& p) { return p.is_signed && as_signed(x) < 0; }
bool is_less(uint64_t x, uint64_t y, const P& p) { return p.is_signed ? as_signed(x) < as_signed(y) : x < y; }

double as_real(uint64_t x, const P& p) {
  return p.is_signed ? static_cast<double>(as_signed(x)) : static_cast<double>(x);
}

/// Shrink of an integer: bias and threshold are real, the result is cut off.
uint64_t shrink(uint64_t x, const P& p) {
  const double v = as_real(x, p), y = v < -p.alpha ? v + p.beta : v > p.alpha ? v - p.beta : 0;
  return y > -0x1p63 && y < 0x1p63 ? static_cast<uint64_t>(static_cast<int64_t>(y)) : x;
}

/// The remainder of truncating division, and 0 where the divisor is 0.
uint64_t remainder_of(uint64_t x, uint64_t y, const P& p) {
  if (y == 0) return 0;
  if (!p.is_signed) return x % y;
  return as_signed(y) == -1 ? 0 : static_cast<uint64_t>(as_signed(x) % as_signed(y));
}
/// The same with the sign of the divisor, as in Python.
uint64_t floor_mod(uint64_t x, uint64_t y, const P& p) {
  const uint64_t r = remainder_of(x, y, p);
  return r != 0 && is_negative(r, p) != is_negative(y, p) ? r + y : r;
}
double floor_mod(double x, double y) {
  const double r = std::fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

/// x^y modulo 2^64; 1/x^|y| cut off where y is negative, 0 where that is infinite.
uint64_t power(uint64_t x, uint64_t y, const P& p) {
  if (is_negative(y, p)) {
    if (x == 1) return 1;
    return is_negative(x, p) && x + 1 == 0 ? ((y & 1) != 0 ? x : 1) : 0;
  }
  uint64_t result = 1;
  for (; y != 0; y >>= 1, x *= x)
    if ((y & 1) != 0) result *= x;
  return result;
}

double softplus(double x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double hard_sigmoid(double x, double alpha, double beta) {
  const double line = alpha * x + beta;
  return line < 0 ? 0 : line > 1 ? 1 : line;
}
double gelu(double x) { return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5))); }
double gelu_tanh(double x) {
  constexpr double kPi = 3.14159265358979323846;
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
}

constexpr auto kNoInteger = nullptr;
constexpr auto kNoReal = nullptr;

// clang-format off
#define REAL(...) [](double x, double y, const P& p) -> double { (void)x, (void)y, (void)p; return __VA_ARGS__; }
#define INTEGER(...) [](uint64_t x, uint64_t y, const P& p) -> uint64_t { (void)x, (void)y, (void)p; return __VA_ARGS__; }
#define SPECIAL(op, ...) {op, "", Arity::one, kReals, false, {0, 0, 1}, REAL(__VA_ARGS__), kNoInteger}
#define UNARY(op, types, c, e, s, real, integer) {op, "", Arity::one, types, false, {c, e, s}, real, integer}
#define BINARY(op, variant, types, c, e, s, real, integer) {op, variant, Arity::two, types, false, {c, e, s}, real, integer}
#define COMPARISON(op, types, real, integer) {op, "", Arity::two, types, true, {1, 0, 0}, real, integer}
#define LOGIC(op, integer) {op, "", Arity::two, kBooleans, true, {0, 1, 0}, kNoReal, integer}
#define FOLD(op, types, c, e, real, integer) {op, "", Arity::many, types, false, {c, e, 0}, real, integer}

constexpr PointwiseRow kRows[] = {
    SPECIAL("Sqrt", std::sqrt(x)), SPECIAL("Log", std::log(x)),
    SPECIAL("Sin", std::sin(x)), SPECIAL("Cos", std::cos(x)), SPECIAL("Tan", std::tan(x)),
    SPECIAL("Asin", std::asin(x)), SPECIAL("Acos", std::acos(x)), SPECIAL("Atan", std::atan(x)),
    SPECIAL("Sinh", std::sinh(x)), SPECIAL("Cosh", std::cosh(x)),
    SPECIAL("Asinh", std::asinh(x)), SPECIAL("Acosh", std::acosh(x)), SPECIAL("Atanh", std::atanh(x)),
    // Of integers cut off, as a cast does.
    UNARY("Erf", kReals | kIntegers, 0, 0, 1, REAL(std::erf(x)),
          INTEGER(static_cast<uint64_t>(static_cast<int64_t>(std::erf(as_real(x, p)))))),
    UNARY("Reciprocal", kReals, 0, 1, 0, REAL(1 / x), kNoInteger),
    UNARY("Neg", kReals | kSigned, 0, 1, 0, REAL(-x), INTEGER(0 - x)),
    UNARY("Abs", kReals | kIntegers, 0, 1, 0, REAL(std::abs(x)), INTEGER(is_negative(x, p) ? 0 - x : x)),
    UNARY("Sign", kReals | kIntegers, 0, 1, 0, REAL(x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x),
          INTEGER(is_negative(x, p) ? ~uint64_t{0} : x != 0)),
    UNARY("Floor", kReals, 0, 1, 0, REAL(std::floor(x)), kNoInteger),
    UNARY("Ceil", kReals, 0, 1, 0, REAL(std::ceil(x)), kNoInteger),
    UNARY("Round", kReals, 0, 1, 0, REAL(std::nearbyint(x)), kNoInteger),  // halves to even
    UNARY("BitwiseNot", kIntegers, 0, 1, 0, kNoReal, INTEGER(~x)),
    {"Not", "", Arity::one, kBooleans, true, {0, 1, 0}, kNoReal, INTEGER(x == 0)},
    {"IsNaN", "", Arity::one, kReals, true, {1, 0, 0}, REAL(std::isnan(x)), kNoInteger},
    {"IsInf", "", Arity::one, kReals, true, {1, 0, 0}, REAL(std::isinf(x) && (x < 0 ? p.alpha : p.beta) != 0), kNoInteger},

    UNARY("LeakyRelu", kReals, 1, 1, 0, REAL(x < 0 ? p.alpha * x : x), kNoInteger),
    UNARY("ThresholdedRelu", kReals, 1, 0, 0, REAL(x > p.alpha || x != x ? x : 0), kNoInteger),
    UNARY("Shrink", kReals | kIntegers, 2, 2, 0, REAL(x < -p.alpha ? x + p.beta : x > p.alpha ? x - p.beta : x != x ? x : 0),
          INTEGER(shrink(x, p))),
    UNARY("HardSigmoid", kReals, 2, 2, 0, REAL(hard_sigmoid(x, p.alpha, p.beta)), kNoInteger),
    UNARY("HardSwish", kReals, 2, 3, 0, REAL(x * hard_sigmoid(x, 1.0 / 6, 0.5)), kNoInteger),
    UNARY("Elu", kReals, 1, 2, 1, REAL(x < 0 ? p.alpha * std::expm1(x) : x), kNoInteger),
    UNARY("Selu", kReals, 1, 4, 1, REAL(p.gamma * (x < 0 ? p.alpha * std::expm1(x) : x)), kNoInteger),
    UNARY("Celu", kReals, 1, 4, 1, REAL(x < 0 ? p.alpha * std::expm1(x / p.alpha) : x), kNoInteger),
    UNARY("Softplus", kReals, 0, 1, 2, REAL(softplus(x)), kNoInteger),
    UNARY("Softsign", kReals, 0, 3, 0, REAL(x / (1 + std::abs(x))), kNoInteger),
    UNARY("Mish", kReals, 0, 2, 3, REAL(x * std::tanh(softplus(x))), kNoInteger),
    UNARY("Swish", kReals, 0, 2, 1, REAL(x * sigmoid(p.alpha * x)), kNoInteger),
    {"Gelu", "none", Arity::one, kReals, false, {0, 4, 1}, REAL(gelu(x)), kNoInteger},
    {"Gelu", "tanh", Arity::one, kReals, false, {0, 6, 2}, REAL(gelu_tanh(x)), kNoInteger},

    BINARY("Pow", "", kReals | kIntegers, 0, 0, 1, REAL(std::pow(x, y)), INTEGER(power(x, y, p))),
    BINARY("Mod", "", kReals | kIntegers, 0, 1, 0, REAL(floor_mod(x, y)), INTEGER(floor_mod(x, y, p))),
    BINARY("Mod", "fmod", kReals | kIntegers, 0, 1, 0, REAL(std::fmod(x, y)), INTEGER(remainder_of(x, y, p))),
    BINARY("PRelu", "", kReals | kIntegers, 1, 1, 0, REAL(x < 0 ? y * x : x), INTEGER(is_negative(x, p) ? y * x : x)),
    BINARY("BitShift", "LEFT", kUnsigned, 0, 1, 0, kNoReal, INTEGER(y < static_cast<uint64_t>(p.bits) ? x << y : 0)),
    BINARY("BitShift", "RIGHT", kUnsigned, 0, 1, 0, kNoReal, INTEGER(y < static_cast<uint64_t>(p.bits) ? x >> y : 0)),
    BINARY("BitwiseAnd", "", kIntegers, 0, 1, 0, kNoReal, INTEGER(x & y)),
    BINARY("BitwiseOr", "", kIntegers, 0, 1, 0, kNoReal, INTEGER(x | y)),
    BINARY("BitwiseXor", "", kIntegers, 0, 1, 0, kNoReal, INTEGER(x ^ y)),
    COMPARISON("Equal", kReals | kIntegers | kBooleans, REAL(x == y), INTEGER(x == y)),
    COMPARISON("Less", kReals | kIntegers, REAL(x < y), INTEGER(is_less(x, y, p))),
    COMPARISON("LessOrEqual", kReals | kIntegers, REAL(x <= y), INTEGER(!is_less(y, x, p))),
    COMPARISON("Greater", kReals | kIntegers, REAL(x > y), INTEGER(is_less(y, x, p))),
    COMPARISON("GreaterOrEqual", kReals | kIntegers, REAL(x >= y), INTEGER(!is_less(x, y, p))),
    LOGIC("And", INTEGER(x != 0 && y != 0)), LOGIC("Or", INTEGER((x | y) != 0)), LOGIC("Xor", INTEGER((x != 0) != (y != 0))),

    // NaN, wherever it stands, is the result.
    FOLD("Max", kReals | kIntegers, 1, 0, REAL(x > y || x != x ? x : y), INTEGER(is_less(x, y, p) ? y : x)),
    FOLD("Min", kReals | kIntegers, 1, 0, REAL(x < y || x != x ? x : y), INTEGER(is_less(y, x, p) ? y : x)),
    FOLD("Mean", kReals, 0, 1, REAL(x + y), kNoInteger),
};
#undef REAL
#undef INTEGER
#undef SPECIAL
#undef UNARY
#undef BINARY
#undef COMPARISON
#undef LOGIC
#undef FOLD
// clang-format on

/// Defaults of `alpha`, `beta` and `gamma`, under the names that the operators give them.
struct Defaults {
  std::string_view op;
  const char *alpha_name, *beta_name;
  float alpha, beta, gamma;
};
constexpr Defaults kDefaults[] = {
    {"LeakyRelu", "alpha", "beta", 0.01f, 0, 0},
    {"ThresholdedRelu", "alpha", "beta", 1, 0, 0},
    {"Shrink", "lambd", "bias", 0.5f, 0, 0},
    {"HardSigmoid", "alpha", "beta", 0.2f, 0.5f, 0},
    {"Elu", "alpha", "beta", 1, 0, 0},
    {"Selu", "alpha", "beta", 1.67326319217681884765625f, 0, 1.05070102214813232421875f},
    {"Celu", "alpha", "beta", 1, 0, 0},
    {"Swish", "alpha", "beta", 1, 0, 0},
};

std::string variant_of(const Node& node) {
  if (node.op == "Gelu") return node.get_string("approximate", "none");
  if (node.op == "BitShift") return node.get_string("direction", "");
  if (node.op == "Mod") return node.get_int("fmod", 0) != 0 ? "fmod" : "";
  return "";
}

}  // namespace

const PointwiseRow& pointwise_row(const Node& node, PointwiseParameters& parameters) {
  for (const Defaults& d : kDefaults) {
    if (node.op != d.op) continue;
    parameters.alpha = node.get_float(d.alpha_name, d.alpha);
    parameters.beta = node.get_float(d.beta_name, d.beta);
    parameters.gamma = node.get_float("gamma", d.gamma);
  }
  if (node.op == "IsInf") {
    parameters.alpha = node.get_int("detect_negative", 1) != 0;
    parameters.beta = node.get_int("detect_positive", 1) != 0;
  }
  if (node.op == "Celu" && parameters.alpha == 0) fail(node.label(), "alpha=0", "must not be 0");
  const std::string variant = variant_of(node);
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const PointwiseRow& r) { return node.op == r.op && variant == r.variant; });
  if (row == std::end(kRows))
    fail(node.label(), node.op == "Gelu" ? "approximate='" + variant + "'" : "direction='" + variant + "'",
         node.op == "Gelu" ? "must be none or tanh" : "must be LEFT or RIGHT");
  return *row;
}

}  // namespace tally
