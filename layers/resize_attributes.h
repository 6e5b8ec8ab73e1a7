#pragma once
// What Resize (opset 10 to 24) and Upsample (opset 1 to 9) say of their grid.
#include "tally/engine/layer.h"
#include "tally/layers/resize_axis.h"

namespace tally {

enum class AspectRatio { stretch, not_larger, not_smaller };

/// Operands: X; from Upsample 9 and Resize 10 scales; from Resize 11 roi, scales, sizes, of which scales or sizes must
/// be given. One value an axis, or from opset 18 one a listed axis.
struct ResizeAttributes {
  /// Throws Error(model) naming the node where an attribute has an unknown value.
  explicit ResizeAttributes(const Node& node);

  /// Every axis of in[0] as it is resized. Throws Error where scales, sizes or roi contradict each other or the input.
  std::vector<ResizedAxis> axes(Operands in) const;

  ResizeRule rule;
  double extrapolation = 0;
  AspectRatio aspect_ratio = AspectRatio::stretch;
  int untouched_axis = -1;  ///< stays as it is whatever the operands say: the time axis of a step

 private:
  std::vector<double> values(Operands in, int input) const;
  std::vector<size_t> resized(size_t rank) const;
  void scale_axes(std::vector<ResizedAxis>& all, const std::vector<size_t>& which,
                  const std::vector<double>& scales) const;
  void size_axes(std::vector<ResizedAxis>& all, const std::vector<size_t>& which,
                 const std::vector<double>& sizes) const;

  std::string who_;
  bool has_roi_ = false;  ///< roi, scales, sizes are operands 1, 2, 3
  std::vector<double> scales_;
  std::optional<std::vector<int64_t>> axes_;
};

}  // namespace tally
