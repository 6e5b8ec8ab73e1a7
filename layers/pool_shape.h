#pragma once
// The windows of pooling: attributes resolved against shapes, any number of spatial axes.
#include <string>

#include "tally/layers/conv_shape.h"

namespace tally {

inline constexpr size_t kMaxPoolAxes = 8;

/// A pooling's shape: X [N, C, in…] to Y [N, C, out…] of the axes. The window of a global pooling is the whole image.
struct PoolShape {
  int64_t N = 0, C = 0;
  std::vector<WindowAxis> axes;  ///< spatial, outermost first
  std::string who;               ///< the node, for errors

  int64_t inputs() const;       ///< of one channel of one image
  int64_t outputs() const;      ///< of one channel of one image
  int64_t window() const;       ///< taps, those on padding included
  int64_t inside_taps() const;  ///< Σ over the outputs of a channel of the taps inside the image
  Shape y() const;              ///< of the output
};

/// What a pooling's node states of its windows.
struct PoolWindow {
  WindowAttributes attributes;
  bool global = false;     ///< one window, the whole image
  bool ceil_mode = false;  ///< also windows that reach beyond the padded input, as long as they start within it

  /// Throws Error(model) naming `who` where lengths differ or a window does not fit.
  PoolShape resolve(const Shape& x, const std::string& who) const;
};

/// Reads and checks the attributes as far as possible without shapes. Throws Error(model).
PoolWindow read_pool_window(const Node& node, bool global);

/// Why time along `axis` of X (spatial ones from 2 on) cannot move one step at a time, or nothing.
std::string time_obstacle(const PoolWindow& window, const Shape& x, int axis, const std::string& who);

/// Calls f(element) with every element of the image that the window of output `at` (one index an axis) covers, axes
/// outermost first.
template <class F>
void for_inside_taps(const std::vector<WindowAxis>& axes, const int64_t* at, F& f, size_t d = 0, int64_t element = 0) {
  if (d == axes.size()) return f(element);
  const WindowAxis& a = axes[d];
  for (int64_t k = 0; k < a.kernel; ++k) {
    const int64_t i = at[d] * a.stride - a.pad_begin + k * a.dilation;
    if (i >= 0 && i < a.in) for_inside_taps(axes, at, f, d + 1, element * a.in + i);
  }
}

/// Moves `at` to the next output, the last axis fastest.
void next_output(const std::vector<WindowAxis>& axes, int64_t* at);

}  // namespace tally
