#pragma once
// Convolution of 8-bit integers by plain loops: sum[n, m, o] = Σ_{c, k} (X[n, g·C/G + c, o·s − p + k·d] − x_zero) ·
// (W[m, c, k] − w_zero[m]) modulo 2^32, one to three spatial dimensions. Padding holds x_zero, so that its products are
// left out.
#include <array>
#include <utility>

#include "tally/layers/conv_shape.h"

namespace tally {

/// A convolution's shape; axes that the tensors lack have extent 1.
struct IntegerConvShape {
  int64_t N = 0, C = 0, M = 0, G = 1;
  std::array<WindowAxis, 3> axes;  ///< D H W
  size_t rank = 0;                 ///< spatial axes of the tensors

  int64_t group_inputs() const { return C / G; }
  int64_t group_outputs() const { return M / G; }
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  /// Elements of X before input channel c of image n.
  int64_t channel_offset(int64_t n, int64_t c) const {
    return C == 0 ? 0 : (n * C + c) * axes[0].in * axes[1].in * axes[2].in;
  }
  int64_t out_pixels() const { return axes[0].out * axes[1].out * axes[2].out; }
  Shape output() const;
};

/// X [N, C, …] and W [M, C/G, …] with the window. Throws Error(model) naming `who`.
IntegerConvShape integer_conv_shape(const WindowAttributes& window, int64_t group, const Shape& x, const Shape& w,
                                    const std::string& who);

/// Macs, macs_nopad and their formulas.
Cost integer_conv_cost(const IntegerConvShape& shape, const std::string& who);

/// Consecutive outputs of a row that are summed at once.
inline constexpr int64_t kConvRun = 256;

/// What the sums of a map did.
struct ConvWork {
  int64_t macs = 0;     ///< a load of X each
  int64_t weights = 0;  ///< loads of W
};

/// The same by formula, of all maps.
ConvWork planned_work(const IntegerConvShape& shape);

/// The outputs among [begin, end) whose tap k lies inside the image: [first, second).
std::pair<int64_t, int64_t> outputs_at(const WindowAxis& axis, int64_t k, int64_t begin, int64_t end);

/// Outputs [begin, begin + count) of row (oz, oy) of one map, count <= kConvRun; x: the first channel of its group, w:
/// its weights.
template <class X, class W>
ConvWork sum_run(const IntegerConvShape& s, const X* x, int32_t x_zero, const W* w, int32_t w_zero, int64_t oz,
                 int64_t oy, int64_t begin, int64_t count, uint32_t* sums) {
  const auto& [az, ay, ax] = s.axes;
  ConvWork work;
  for (int64_t i = 0; i < count; ++i) sums[i] = 0;
  for (int64_t kx = 0; kx < ax.kernel; ++kx) {
    const auto [low, high] = outputs_at(ax, kx, begin, begin + count);
    const int64_t first = low * ax.stride - ax.pad_begin + kx * ax.dilation;
    for (int64_t c = 0; c < s.group_inputs(); ++c)
      for (int64_t kz = 0; kz < az.kernel; ++kz)
        for (int64_t ky = 0; ky < ay.kernel; ++ky) {
          const int64_t iz = oz * az.stride - az.pad_begin + kz * az.dilation;
          const int64_t iy = oy * ay.stride - ay.pad_begin + ky * ay.dilation;
          if (iz < 0 || iz >= az.in || iy < 0 || iy >= ay.in) continue;
          const X* row = x + ((c * az.in + iz) * ay.in + iy) * ax.in;
          const int32_t weight = w[((c * az.kernel + kz) * ay.kernel + ky) * ax.kernel + kx] - w_zero;
          for (int64_t o = low; o < high; ++o)
            sums[o - begin] += static_cast<uint32_t>((row[first + (o - low) * ax.stride] - x_zero) * weight);
          work.macs += high - low;
          ++work.weights;
        }
  }
  return work;
}

}  // namespace tally
