#include "tools/compare/agreement.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

/// By how much an element misses what is allowed; ≤ 0: it does not.
double excess(double got, double expected, double rtol, double atol) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (std::isnan(got) || std::isnan(expected)) return std::isnan(got) == std::isnan(expected) ? 0 : kInfinite;
  if (std::isinf(got) || std::isinf(expected)) return got == expected ? 0 : kInfinite;
  return std::fabs(got - expected) - (atol + rtol * std::fabs(expected));
}

/// Where an element of 16 bits stands among the finite values of its type; neighbours differ by one.
std::optional<int32_t> rank_of(const Tensor& tensor, size_t i) {
  const uint16_t bits = tensor.values<uint16_t>()[i];
  const uint16_t magnitude = bits & 0x7fff, infinity = tensor.dtype() == DType::f16 ? 0x7c00 : 0x7f80;
  if (magnitude >= infinity) return {};
  return (bits & 0x8000) != 0 ? -int32_t{magnitude} : int32_t{magnitude};
}

bool are_neighbours(const Tensor& a, const Tensor& b, size_t i) {
  if (a.dtype() != DType::f16 && a.dtype() != DType::bf16) return false;
  const std::optional<int32_t> x = rank_of(a, i), y = rank_of(b, i);
  return x && y && std::abs(*x - *y) <= 1;
}

}  // namespace

Agreement compare_tensors(const Tensor& got, const Tensor& expected, double rtol, double atol) {
  Agreement result;
  result.elements = expected.elements();
  if (got.dtype() != expected.dtype()) {
    result.mismatch = text("dtype ", name_of(got.dtype()), " must be ", name_of(expected.dtype()));
    return result;
  }
  if (got.shape() != expected.shape()) {
    result.mismatch = "shape " + to_string(got.shape()) + " must be " + to_string(expected.shape());
    return result;
  }
  if (got.bytes() == 0 || std::memcmp(got.data(), expected.data(), got.bytes()) == 0) return result;
  const std::vector<double> a = got.to_double(), b = expected.to_double();
  double worst = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double difference = std::fabs(a[i] - b[i]);
    if (std::isfinite(difference)) result.largest_difference = std::max(result.largest_difference, difference);
    const double missed_by = excess(a[i], b[i], rtol, atol);
    if (missed_by <= 0 || are_neighbours(got, expected, i)) continue;
    ++result.differing;
    if (missed_by > worst) {
      worst = missed_by;
      result.worst = static_cast<int64_t>(i);
      result.worst_got = a[i];
      result.worst_expected = b[i];
    }
  }
  return result;
}

std::string index_text(int64_t index, const Shape& shape) {
  std::string inside;
  for (size_t d = shape.size(); d-- > 0;) {
    inside = std::to_string(index % shape[d]) + (inside.empty() ? "" : ", ") + inside;
    index /= shape[d];
  }
  return "[" + inside + "]";
}

}  // namespace tally::tools
