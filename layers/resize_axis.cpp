#include "tally/layers/resize_axis.h"

#include <algorithm>
#include <cmath>

#include "tally/engine/error.h"

namespace tally {

namespace {

constexpr double kMaxTaps = 1 << 26;  ///< of an axis

/// Keys, "Cubic convolution interpolation for digital image processing" (1981), equation 4 with parameter a.
double cubic_kernel(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

double kernel(double x, const ResizeRule& rule) {
  if (rule.mode == ResizeMode::cubic) return cubic_kernel(x, rule.cubic_a);
  return std::max(0.0, 1 - std::abs(x));
}

int64_t nearest_index(double x, const ResizeRule& rule, double scale) {
  switch (rule.rounding) {
    case Rounding::prefer_floor:
      return static_cast<int64_t>(std::ceil(x - 0.5));
    case Rounding::prefer_ceil:
      return static_cast<int64_t>(std::floor(x + 0.5));
    case Rounding::floor:
      return static_cast<int64_t>(std::floor(x));
    case Rounding::ceil:
      return static_cast<int64_t>(std::ceil(x));
    case Rounding::simple:
      break;
  }
  return static_cast<int64_t>(scale < 1 ? std::ceil(x) : std::floor(x));
}

/// Taps of one output at x: elements base + 1 − half … base + half, base the element on the left of x (x − 1 where x is
/// a whole number), those outside brought to the edge or left out.
void add_taps(AxisTaps& taps, double x, const ResizedAxis& axis, const ResizeRule& rule, double stretch, int64_t half) {
  const auto base = static_cast<int64_t>(std::ceil(x)) - 1;
  const size_t begin = taps.index.size();
  double sum = 0;
  for (int64_t i = base + 1 - half; i <= base + half; ++i) {
    double weight = kernel((static_cast<double>(i) - x) * stretch, rule);
    if (rule.exclude_outside && (i < 0 || i >= axis.n)) weight = 0;
    if (weight == 0) continue;
    sum += weight;
    const int64_t index = std::clamp<int64_t>(i, 0, axis.n - 1);
    if (taps.index.size() > begin && taps.index.back() == index) {
      taps.weight.back() += weight;
    } else {
      taps.index.push_back(index);
      taps.weight.push_back(weight);
    }
  }
  if (taps.index.size() == begin) {  // all left out: as the nearest
    taps.index.push_back(std::clamp<int64_t>(base, 0, axis.n - 1));
    taps.weight.push_back(1);
    return;
  }
  if (rule.antialias || rule.exclude_outside)
    for (size_t t = begin; t < taps.weight.size(); ++t) taps.weight[t] /= sum;
}

}  // namespace

double source_coordinate(const ResizedAxis& axis, Coordinates coordinates, int64_t j) {
  const auto n = static_cast<double>(axis.n), x = static_cast<double>(j), m = static_cast<double>(axis.m);
  const double scaled = axis.scale * n;
  const double length = std::abs(scaled - m) < 1e-6 ? m : scaled;  // a scale from sizes rounds
  switch (coordinates) {
    case Coordinates::align_corners:
      return length == 1 ? 0 : x * (n - 1) / (length - 1);
    case Coordinates::asymmetric:
      return x / axis.scale;
    case Coordinates::tf_half_pixel_for_nn:
      return (x + 0.5) / axis.scale;
    case Coordinates::pytorch_half_pixel:
      return length == 1 ? -0.5 : (x + 0.5) / axis.scale - 0.5;
    case Coordinates::tf_crop_and_resize: {
      const double span = axis.roi_end - axis.roi_begin;
      return (length == 1 ? span * (n - 1) / 2 : x * span * (n - 1) / (length - 1)) + axis.roi_begin * (n - 1);
    }
    case Coordinates::half_pixel_symmetric:
      return n / 2 * (1 - m / length) + (x + 0.5) / axis.scale - 0.5;
    case Coordinates::half_pixel:
      break;
  }
  return (x + 0.5) / axis.scale - 0.5;
}

AxisTaps axis_taps(const ResizedAxis& axis, const ResizeRule& rule, const std::string& who) {
  const bool antialias = rule.antialias && rule.mode != ResizeMode::nearest;
  const double stretch = antialias ? std::min(axis.scale, 1.0) : 1;
  const double reach = std::ceil((rule.mode == ResizeMode::cubic ? 2 : 1) / stretch);
  if (!(2 * reach * static_cast<double>(axis.m) <= kMaxTaps))
    fail(who, text(axis.m, " outputs of ", 2 * reach, " elements each along an axis"),
         text("must be at most ", kMaxTaps, " together"), ErrorCode::limit);
  AxisTaps taps;
  for (int64_t j = 0; j < axis.m; ++j) {
    taps.first.push_back(static_cast<int64_t>(taps.index.size()));
    // Kept where elements are, give or take the reach of a kernel: a scale may put it anywhere.
    const double found = source_coordinate(axis, rule.coordinates, j);
    const double margin = 2 * reach + 2;
    const double x = std::clamp(found, -margin, static_cast<double>(axis.n) + margin);
    if (rule.coordinates == Coordinates::tf_crop_and_resize &&
        !(found >= 0 && found <= static_cast<double>(axis.n - 1))) {
      taps.any_outside = true;
    } else if (rule.mode == ResizeMode::nearest) {
      taps.index.push_back(std::clamp<int64_t>(nearest_index(x, rule, axis.scale), 0, axis.n - 1));
      taps.weight.push_back(1);
    } else {
      add_taps(taps, x, axis, rule, stretch, static_cast<int64_t>(reach));
    }
  }
  taps.first.push_back(static_cast<int64_t>(taps.index.size()));
  return taps;
}

}  // namespace tally
