#pragma once
// What the windows of a pooling see, by the definition: any number of axes, one output after the other.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tally::reference {

struct WindowCase {
  int64_t in = 1, kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;
  bool ceil_mode = false;

  /// Windows that start within the input or its padding in front.
  int64_t out() const {
    const int64_t free = in + begin + end - (kernel - 1) * dilation - 1;
    int64_t windows = free / stride + 1;
    if (ceil_mode && free % stride != 0 && windows * stride < in + begin) ++windows;
    return windows;
  }
};

struct Window {
  std::vector<double> values;         ///< inside the image
  std::vector<int64_t> row_major;     ///< where they lie in the image, the last axis fastest
  std::vector<int64_t> column_major;  ///< and the first axis fastest
  int64_t counted = 0;                ///< taps inside the padded image
};

/// Windows of every output of `maps` images, images in order; axes outermost first.
inline std::vector<Window> windows(int64_t maps, const std::vector<WindowCase>& axes, const std::vector<double>& x) {
  int64_t image = 1, outputs = 1, taps = 1;
  for (const WindowCase& a : axes) image *= a.in, outputs *= a.out(), taps *= a.kernel;
  std::vector<Window> all;
  for (int64_t o = 0; o < maps * outputs; ++o) {
    Window window;
    for (int64_t t = 0; t < taps; ++t) {
      int64_t rest_o = o % outputs, rest_t = t, row = 0, row_stride = 1, column = 0, column_stride = image;
      bool inside = true, padded = true;
      for (std::size_t d = axes.size(); d-- > 0;) {
        const WindowCase& a = axes[d];
        const int64_t i = rest_o % a.out() * a.stride - a.begin + rest_t % a.kernel * a.dilation;
        rest_o /= a.out(), rest_t /= a.kernel;
        inside = inside && i >= 0 && i < a.in;
        padded = padded && i < a.in + a.end;
        column_stride /= a.in;
        row += i * row_stride, column += i * column_stride;
        row_stride *= a.in;
      }
      window.counted += padded;
      if (!inside) continue;
      window.values.push_back(x[static_cast<std::size_t>(o / outputs * image + row)]);
      window.row_major.push_back(row);
      window.column_major.push_back(column);
    }
    all.push_back(std::move(window));
  }
  return all;
}

}  // namespace tally::reference
