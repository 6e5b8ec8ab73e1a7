#pragma once
// Interpolation along one axis: which elements an output is made of, and by how much of each.
#include <cstdint>
#include <string>
#include <vector>

namespace tally {

enum class ResizeMode { nearest, linear, cubic };
enum class Coordinates {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_half_pixel_for_nn,
  tf_crop_and_resize
};
/// `simple`: Resize 10 and Upsample: down where an axis grows, up where it shrinks.
enum class Rounding { prefer_floor, prefer_ceil, floor, ceil, simple };

struct ResizeRule {
  ResizeMode mode = ResizeMode::nearest;
  Coordinates coordinates = Coordinates::half_pixel;
  Rounding rounding = Rounding::prefer_floor;
  double cubic_a = -0.75;
  bool antialias = false, exclude_outside = false;
};

/// An axis of n elements made m long; `scale` may differ from m / n by rounding. The region of interest in [0, 1]
/// coordinates serves tf_crop_and_resize.
struct ResizedAxis {
  int64_t n = 0, m = 0;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;
};

/// Output j is Σ_t weight[t]·x[index[t]], t in [first[j], first[j + 1]); no taps: it lies outside the region, and is
/// the extrapolation value.
struct AxisTaps {
  std::vector<int64_t> first, index;
  std::vector<double> weight;
  bool any_outside = false;
};

/// The place in x of output j: ONNX Resize's coordinate transformations, opset 10 to 19.
double source_coordinate(const ResizedAxis& axis, Coordinates coordinates, int64_t j);

/// Taps of every output of an axis, indices within it, weights summing to 1. Throws Error(limit) naming `who` where
/// there would be very many.
AxisTaps axis_taps(const ResizedAxis& axis, const ResizeRule& rule, const std::string& who);

}  // namespace tally
