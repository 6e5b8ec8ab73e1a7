#pragma once
// The elementwise kernels once more, element by element in double precision, and the error measure they are judged by.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tally/platforms/kernel_args.h"

namespace tally::reference {

/// |y − truth| in units of the last place that binary32 has at `truth` (never below its smallest denormal). 0 where
/// both are NaN or the same infinity; +∞ where one is and the other is not. A truth beyond FLT_MAX's rounding limit
/// counts as ∞.
inline double ulp_error(float y, double truth) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  if (std::isnan(truth)) return std::isnan(y) ? 0.0 : kFar;
  const float nearest = static_cast<float>(truth);
  if (std::isinf(nearest)) return y == nearest ? 0.0 : kFar;
  if (!std::isfinite(y)) return kFar;
  int exponent = 0;
  std::frexp(truth, &exponent);  // truth = m · 2^exponent, m in [0.5, 1)
  const int unit = truth == 0 || exponent - 24 < -149 ? -149 : exponent - 24;
  return std::fabs(y - truth) / std::ldexp(1.0, unit);
}

inline double unary(UnaryOp op, double x, double lo = 0, double hi = 0) {
  switch (op) {
    case UnaryOp::copy:
      return x;
    case UnaryOp::clamp:
      return std::isnan(x) ? x : std::fmax(lo, std::fmin(hi, x));
    case UnaryOp::tanh:
      return std::tanh(x);
    case UnaryOp::sigmoid:
      return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
    case UnaryOp::exp:
      return std::exp(x);
    case UnaryOp::log:
      return std::log(x);
    case UnaryOp::erf:
      return std::erf(x);
    case UnaryOp::sqrt:
      return std::sqrt(x);
    case UnaryOp::reciprocal:
      return 1 / x;
    case UnaryOp::rsqrt:
      return 1 / std::sqrt(x);
    case UnaryOp::square:
      return x * x;
    case UnaryOp::cube:
      return x * x * x;
    case UnaryOp::abs:
      return std::abs(x);
    case UnaryOp::negate:
      return -x;
    case UnaryOp::leaky:
      return x < 0 ? lo * x : x;
    case UnaryOp::elu:
      return hi * (x < 0 ? lo * std::expm1(x) : x);
    case UnaryOp::hard_sigmoid:
      return std::isnan(x) ? x : std::fmax(0, std::fmin(1, lo * x + hi));
    case UnaryOp::hard_swish:
      return std::isnan(x) ? x : x * std::fmax(0, std::fmin(1, lo * x + hi));
    case UnaryOp::softplus:
      return std::fmax(x, 0) + std::log1p(std::exp(-std::abs(x)));
    case UnaryOp::softsign:
      return x / (1 + std::abs(x));
    case UnaryOp::swish:
      return x * unary(UnaryOp::sigmoid, lo * x);
    case UnaryOp::mish:
      return x * std::tanh(unary(UnaryOp::softplus, x));
    case UnaryOp::gelu:
      return x / 2 * std::erfc(-x * std::sqrt(0.5));
    case UnaryOp::gelu_tanh:
      return x * unary(UnaryOp::sigmoid, std::sqrt(8 / 3.14159265358979323846) * (x + 0.044715 * x * x * x));
  }
  return 0;
}

/// In float: one correctly rounded operation.
inline float binary(BinaryOp op, float a, float b) {
  switch (op) {
    case BinaryOp::add:
      return a + b;
    case BinaryOp::sub:
      return a - b;
    case BinaryOp::mul:
      return a * b;
    case BinaryOp::div:
      return a / b;
    case BinaryOp::max:
      return std::isnan(a) || a > b ? a : b;
    case BinaryOp::min:
      return std::isnan(a) || a < b ? a : b;
    case BinaryOp::prelu:
      return a < 0 ? a * b : a;
  }
  return 0;
}

/// Softmax of one row: elements x[start + j·stride].
inline std::vector<double> softmax(const float* x, int64_t start, int64_t width, int64_t stride) {
  double maximum = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < width; ++j) maximum = std::fmax(maximum, double{x[start + j * stride]});
  std::vector<double> y(static_cast<size_t>(width));
  double sum = 0;
  for (int64_t j = 0; j < width; ++j) sum += y[static_cast<size_t>(j)] = std::exp(x[start + j * stride] - maximum);
  for (double& v : y) v /= sum;
  return y;
}

}  // namespace tally::reference
