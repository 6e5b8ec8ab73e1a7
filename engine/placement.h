#pragma once
// How much memory a tensor takes in a layout.
#include "tally/engine/layer.h"

namespace tally {

/// Index of a buffer of a plan.
using BufferId = int;

/// An operand as it will lie in memory.
struct Placement {
  TensorType type;
  Layout layout = Layout::plain;
  BufferId buffer = -1;
  /// Channels a pixel holds in channels_last, padding included; C in plain.
  int64_t channel_stride = 0;
};

/// C rounded up to the ISA's channel padding.
int64_t padded_channels(int64_t channels, int64_t channel_pad);

/// True where a tensor may lie channels_last.
inline bool may_be_channels_last(DType dtype, const Shape& shape) { return dtype == DType::f32 && shape.size() >= 3; }

/// The placement that a tensor gets, before it has a buffer: what candidates plan with.
Placement expected_placement(const TensorType& type, Layout layout, int64_t channel_pad);

/// True where the bytes of a tensor in one layout are those that it needs in the other: one pixel an image, and either
/// no padding channels or one image whose padding a plain reader never meets.
bool lies_alike(const Shape& shape, Layout from, Layout to, int64_t channel_pad);

/// Elements that the placement occupies, padding channels included.
int64_t placed_elements(const Placement& p);

}  // namespace tally
