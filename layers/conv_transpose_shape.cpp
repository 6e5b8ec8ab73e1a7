#include "tally/layers/conv_transpose_shape.h"

#include <algorithm>
#include <numeric>

#include "tally/platforms/rounding.h"

namespace tally {

namespace {

/// a⁻¹ modulo m, for gcd(a, m) = 1 (extended Euclid); 0 for m = 1.
int64_t inverse_modulo(int64_t a, int64_t m) {
  int64_t r = m, next_r = a % m, t = 0, next_t = 1;
  while (next_r != 0) {
    const int64_t quotient = r / next_r;
    r = std::exchange(next_r, r - quotient * next_r);
    t = std::exchange(next_t, t - quotient * next_t);
  }
  return m == 1 ? 0 : (t % m + m) % m;
}

}  // namespace

int64_t TransposeAxis::kept_taps() const {
  int64_t sum = 0;
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t first = k * dilation - crop_begin;  // output of input 0
    const int64_t low = divide_up(-first, stride), high = std::min(in, divide_up(out - first, stride));
    sum += std::max<int64_t>(0, high - low);
  }
  return sum;
}

TransposeAttributes read_transpose_window(const Node& node) {
  TransposeAttributes attributes;
  attributes.window = read_window(node);
  attributes.output_padding = node.get_ints("output_padding");
  attributes.output_shape = node.get_ints("output_shape");
  check_range(node, "output_padding", attributes.output_padding, 0, kMaxStep);
  check_range(node, "output_shape", attributes.output_shape, 1, kMaxStep);
  return attributes;
}

TransposeAxis resolve_transpose_axis(const TransposeAttributes& attributes, size_t axis, size_t rank, int64_t in,
                                     int64_t kernel, const std::string& who) {
  const WindowAttributes& window = attributes.window;
  check_count(who, "kernel_shape", window.kernel, rank);
  check_count(who, "strides", window.strides, rank);
  check_count(who, "dilations", window.dilations, rank);
  check_count(who, "pads", window.pads, 2 * rank);
  check_count(who, "output_padding", attributes.output_padding, rank);
  check_count(who, "output_shape", attributes.output_shape, rank);
  if (!window.kernel.empty() && window.kernel[axis] != kernel)
    fail(who, text("kernel_shape[", axis, "]=", window.kernel[axis]), text("must equal the weights' extent ", kernel));
  if (kernel < 1 || kernel > kMaxKernel)
    fail(who, text("kernel extent ", kernel), text("must be 1 to ", kMaxKernel), ErrorCode::limit);
  if (in < 1 || in > kMaxStep)
    fail(who, text("spatial extent ", in, " of X"), text("must be 1 to ", kMaxStep), ErrorCode::limit);
  TransposeAxis a;
  a.in = in;
  a.kernel = kernel;
  a.stride = window.strides.empty() ? 1 : window.strides[axis];
  a.dilation = window.dilations.empty() ? 1 : window.dilations[axis];
  const int64_t added = attributes.output_padding.empty() ? 0 : attributes.output_padding[axis];
  const int64_t full = a.stride * (in - 1) + added + (kernel - 1) * a.dilation + 1;
  const bool same = window.auto_pad == AutoPad::same_upper || window.auto_pad == AutoPad::same_lower;
  if (same || !attributes.output_shape.empty()) {
    a.out = attributes.output_shape.empty() ? in * a.stride : attributes.output_shape[axis];
    const int64_t total = std::max<int64_t>(0, full - a.out);
    a.crop_begin = window.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
    return a;
  }
  int64_t crop_end = 0;
  if (window.auto_pad == AutoPad::explicit_pads && !window.pads.empty()) {
    a.crop_begin = window.pads[axis];
    crop_end = window.pads[axis + rank];
  }
  a.out = full - a.crop_begin - crop_end;
  if (a.out < 1)
    fail(who, text("pads of ", a.crop_begin, " and ", crop_end, " on spatial axis ", axis),
         text("must leave some of the ", full, " outputs"));
  return a;
}

std::string time_obstacle(const TransposeAxis& axis) {
  if (axis.kernel > 1) return text("kernel ", axis.kernel, " spans time steps");
  if (axis.stride > 1) return text("stride ", axis.stride, " sets time steps apart");
  if (axis.out != axis.in) return text("makes ", axis.out, " time steps of ", axis.in);
  if (axis.crop_begin > 0) return text("shifts time by ", axis.crop_begin);
  return {};
}

TapWalk::TapWalk(const TransposeAxis& axis)
    : axis_(axis),
      common_(std::gcd(axis.stride, axis.dilation)),
      tap_step_(axis.stride / common_),
      input_step_(axis.dilation / common_),
      inverse_(inverse_modulo(input_step_, tap_step_)) {}

MeetingTaps TapWalk::at(int64_t o) const {
  const int64_t position = o + axis_.crop_begin;
  if (position % common_ != 0) return {};
  const int64_t wanted = position / common_ % tap_step_ * inverse_ % tap_step_;
  const int64_t low = divide_up(position - (axis_.in - 1) * axis_.stride, axis_.dilation);
  const int64_t high = std::min(axis_.kernel - 1, position / axis_.dilation);
  const int64_t first = low + ((wanted - low) % tap_step_ + tap_step_) % tap_step_;
  if (first > high) return {};
  return {first, (position - first * axis_.dilation) / axis_.stride, (high - first) / tap_step_ + 1};
}

// From output to output of a phase the input moves on by one: with p = first + crop_begin and k = k₀ + j·tap_step,
// input = (p/g − k₀·input_step)/tap_step + q − j·input_step for the phase's output q.
Phase TapWalk::phase(int64_t first) const {
  Phase phase;
  phase.first = first;
  phase.window.in = axis_.in;
  phase.window.out = divide_up(axis_.out - first, axis_.stride);
  phase.window.kernel = 0;
  const int64_t position = first + axis_.crop_begin;
  if (position % common_ != 0) return phase;
  phase.first_tap = position / common_ % tap_step_ * inverse_ % tap_step_;
  phase.window.kernel = divide_up(axis_.kernel - phase.first_tap, tap_step_);
  phase.window.dilation = input_step_;
  const int64_t base = (position / common_ - phase.first_tap * input_step_) / tap_step_;
  phase.window.pad_begin = (phase.window.kernel - 1) * input_step_ - base;
  return phase;
}

}  // namespace tally
