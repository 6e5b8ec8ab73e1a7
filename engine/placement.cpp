#include "tally/engine/placement.h"

#include <algorithm>

#include "tally/platforms/rounding.h"

namespace tally {

int64_t padded_channels(int64_t channels, int64_t channel_pad) { return round_up(channels, channel_pad); }

Placement expected_placement(const TensorType& type, Layout layout, int64_t channel_pad) {
  Placement p{type, layout, -1, 0};
  if (type.shape.size() >= 2) p.channel_stride = type.shape[1];
  if (layout == Layout::channels_last) p.channel_stride = padded_channels(type.shape[1], channel_pad);
  return p;
}

bool lies_alike(const Shape& shape, Layout from, Layout to, int64_t channel_pad) {
  if (from == to) return true;
  if (shape.size() < 2 || std::any_of(shape.begin() + 2, shape.end(), [](int64_t n) { return n != 1; })) return false;
  return shape[1] % channel_pad == 0 || (to == Layout::plain && shape[0] == 1);
}

int64_t placed_elements(const Placement& p) {
  const int64_t n = element_count(p.type.shape);
  return p.layout == Layout::plain || n == 0 ? n : n / p.type.shape[1] * p.channel_stride;
}

}  // namespace tally
