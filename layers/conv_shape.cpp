#include "tally/layers/conv_shape.h"

#include <algorithm>

#include "tally/platforms/rounding.h"

namespace tally {

namespace {

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -divide_up(-a, b); }

AutoPad auto_pad_of(const Node& node) {
  const std::string name = node.get_string("auto_pad", "NOTSET");
  if (name == "NOTSET" || name.empty()) return AutoPad::explicit_pads;
  if (name == "VALID") return AutoPad::valid;
  if (name == "SAME_UPPER") return AutoPad::same_upper;
  if (name == "SAME_LOWER") return AutoPad::same_lower;
  fail(node.label(), "auto_pad='" + name + "'", "must be NOTSET, VALID, SAME_UPPER or SAME_LOWER");
}

}  // namespace

void check_range(const Node& node, const char* key, const std::vector<int64_t>& values, int64_t least, int64_t most) {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] < least || values[i] > most)
      fail(node.label(), text(key, "[", i, "]=", values[i]), text("must be ", least, " to ", most));
}

void check_count(const std::string& who, const char* key, const std::vector<int64_t>& values, size_t count) {
  if (!values.empty() && values.size() != count)
    fail(who, text(key, " of ", values.size(), " values"), text("must have ", count));
}

std::vector<TapBand> WindowAxis::bands() const {
  std::vector<TapBand> list;
  for (int64_t o = 0; o < out;) {
    const int64_t first = o * stride - pad_begin;  // input position of tap 0
    const int64_t low = std::min(kernel, divide_up(-first, dilation));
    const int64_t high = std::min(kernel, divide_up(in - first, dilation));
    // Last output for which tap low − 1 still falls before the image, and tap high − 1 not yet behind it.
    int64_t last = out - 1;
    if (low > 0) last = std::min(last, floor_div(pad_begin - (low - 1) * dilation - 1, stride));
    if (high > 0) last = std::min(last, floor_div(in + pad_begin - (high - 1) * dilation - 1, stride));
    const bool none = low >= high;
    const TapBand band{o, last + 1, none ? 0 : low, none ? 0 : high};
    if (!list.empty() && list.back().tap_begin == band.tap_begin && list.back().tap_end == band.tap_end)
      list.back().end = band.end;
    else
      list.push_back(band);
    o = last + 1;
  }
  return list;
}

int64_t WindowAxis::inside_taps() const {
  int64_t sum = 0;
  for (const TapBand& band : bands()) sum += band.outputs() * band.taps();
  return sum;
}

WindowAttributes read_window(const Node& node) {
  WindowAttributes window;
  window.kernel = node.get_ints("kernel_shape");
  window.strides = node.get_ints("strides");
  window.dilations = node.get_ints("dilations");
  window.pads = node.get_ints("pads");
  window.auto_pad = auto_pad_of(node);
  check_range(node, "kernel_shape", window.kernel, 1, kMaxKernel);
  check_range(node, "strides", window.strides, 1, kMaxStep);
  check_range(node, "dilations", window.dilations, 1, kMaxStep);
  check_range(node, "pads", window.pads, 0, kMaxStep);
  return window;
}

WindowAxis resolve_axis(const WindowAttributes& window, size_t axis, size_t rank, int64_t in, int64_t kernel,
                        const std::string& who) {
  check_count(who, "kernel_shape", window.kernel, rank);
  check_count(who, "strides", window.strides, rank);
  check_count(who, "dilations", window.dilations, rank);
  check_count(who, "pads", window.pads, 2 * rank);
  if (!window.kernel.empty() && window.kernel[axis] != kernel)
    fail(who, text("kernel_shape[", axis, "]=", window.kernel[axis]), text("must equal the weights' extent ", kernel));
  if (kernel < 1 || kernel > kMaxKernel)
    fail(who, text("kernel extent ", kernel), text("must be 1 to ", kMaxKernel), ErrorCode::limit);
  WindowAxis a;
  a.in = in;
  a.kernel = kernel;
  a.stride = window.strides.empty() ? 1 : window.strides[axis];
  a.dilation = window.dilations.empty() ? 1 : window.dilations[axis];
  if (window.auto_pad == AutoPad::same_upper || window.auto_pad == AutoPad::same_lower) {
    a.out = divide_up(in, a.stride);
    const int64_t total = std::max<int64_t>(0, (a.out - 1) * a.stride + a.extent() - in);
    const int64_t less = total / 2;
    a.pad_begin = window.auto_pad == AutoPad::same_upper ? less : total - less;
    a.pad_end = total - a.pad_begin;
    return a;
  }
  if (window.auto_pad == AutoPad::explicit_pads && !window.pads.empty()) {
    a.pad_begin = window.pads[axis];
    a.pad_end = window.pads[axis + rank];
  }
  const int64_t padded = in + a.pad_begin + a.pad_end;
  if (a.extent() > padded)
    fail(who, text("dilated kernel extent ", a.extent()), text("must fit the padded input extent ", padded));
  a.out = (padded - a.extent()) / a.stride + 1;
  return a;
}

std::string time_obstacle(const WindowAxis& axis) {
  if (axis.kernel > 1) return text("kernel ", axis.kernel, " spans time steps");
  if (axis.stride > 1) return text("stride ", axis.stride, " leaves out time steps");
  if (axis.pad_begin > 0 || axis.pad_end > 0) return text("pads time by ", axis.pad_begin, " and ", axis.pad_end);
  return {};
}

}  // namespace tally
