#include "tally/engine/shape.h"

#include <algorithm>
#include <limits>

#include "tally/engine/error.h"

namespace tally {

std::optional<int64_t> checked_multiply(int64_t a, int64_t b) {
  if (a != 0 && b > std::numeric_limits<int64_t>::max() / a) return std::nullopt;
  return a * b;
}

int64_t element_count(const Shape& shape, const std::string& who) {
  constexpr int64_t kWidestElementBytes = 16;  // complex128
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 0) fail(who, "extent " + text(extent) + " of shape " + to_string(shape), "must be at least 0");
  // An extent of zero makes the product zero whatever the others are, so it is looked for first.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  for (int64_t extent : shape) {
    const auto product = checked_multiply(count, extent);
    if (!product || !checked_multiply(*product, kWidestElementBytes))
      fail(who, "shape " + to_string(shape), "must have fewer than 2^59 elements", ErrorCode::limit);
    count = *product;
  }
  return count;
}

std::string to_string(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string joined;
  for (size_t i = 0; i < shape.size(); ++i) joined += (i == 0 ? "" : "x") + std::to_string(shape[i]);
  return joined;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape joint(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < joint.size(); ++i) {  // i counts from the innermost dimension
    const int64_t in_a = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t in_b = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (in_a != in_b && in_a != 1 && in_b != 1) return std::nullopt;
    joint[joint.size() - 1 - i] = in_a == 1 ? in_b : in_a;
  }
  return joint;
}

int64_t normalize_axis(int64_t axis, int64_t rank, const std::string& who) {
  if (axis < -rank || axis >= rank)
    fail(who, "axis=" + text(axis), "must be in [" + text(-rank) + ", " + text(rank) + ")");
  return axis < 0 ? axis + rank : axis;
}

}  // namespace tally
