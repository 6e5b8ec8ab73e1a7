#pragma once
// The window of a transposed convolution: attributes resolved against shapes, and which taps meet in an output.
#include <algorithm>
#include <array>

#include "tally/layers/conv_shape.h"

namespace tally {

/// One spatial axis: input i times tap k is a part of output i·stride + k·dilation − crop_begin, where there is one.
struct TransposeAxis {
  int64_t in = 1, out = 1;
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t crop_begin = 0;  ///< ONNX's pads: what they cut off before the first output

  /// Pairs (i, k) whose output is not cropped. Takes O(kernel).
  int64_t kept_taps() const;
};

/// A transposed convolution's shape; axes that the tensors lack have extent 1.
struct TransposeShape {
  int64_t N = 0, C = 0, M = 0, G = 1;
  std::array<TransposeAxis, 3> axes;  ///< D H W

  int64_t group_inputs() const { return C / G; }
  int64_t group_outputs() const { return M / G; }
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  int64_t in_pixels() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t out_pixels() const { return axes[0].out * axes[1].out * axes[2].out; }
};

/// What a transposed convolution's node states beside the attributes of a convolution.
struct TransposeAttributes {
  WindowAttributes window;
  std::vector<int64_t> output_padding;  ///< added at the ends
  std::vector<int64_t> output_shape;    ///< spatial extents; pads are then ignored
};

/// Reads and checks them as far as possible without shapes. Throws Error(model).
TransposeAttributes read_transpose_window(const Node& node);

/// Axis `axis` of `rank` spatial ones for an input of `in` elements and a kernel of `kernel`:
///   full = stride·(in − 1) + output_padding + (kernel − 1)·dilation + 1,  out = full − pads
/// With output_shape, or auto_pad SAME_* (out = in·stride), the pads follow from out: of full − out elements the odd
/// one is cut off at the end (SAME_UPPER) or the begin (all others); an output longer than `full` goes on at its end.
/// ONNX ConvTranspose, opset 11. Throws Error(model) naming `who` where lengths differ or nothing would be left.
TransposeAxis resolve_transpose_axis(const TransposeAttributes& attributes, size_t axis, size_t rank, int64_t in,
                                     int64_t kernel, const std::string& who);

/// Why the axis cannot be time that moves one step at a time, or nothing.
std::string time_obstacle(const TransposeAxis& axis);

/// The taps that meet in one output: tap + j·TapWalk::tap_step() reads input − j·TapWalk::input_step(), j < count.
struct MeetingTaps {
  int64_t tap = 0, input = 0, count = 0;
};

/// One phase of an axis: outputs first, first + stride, … are those of an ordinary convolution of stride 1, whose tap t
/// is tap first_tap + (kernel − 1 − t)·tap_step of the transposed one. Some phases have no taps.
struct Phase {
  int64_t first = 0;
  int64_t first_tap = 0;
  WindowAxis window;  ///< pad_begin may be negative: the image then begins before what is read; kernel 0: no taps
};

/// Finds them without looking at those that do not: input·stride + tap·dilation = o + crop_begin asks for
/// tap ≡ (o + crop_begin)/g · (dilation/g)⁻¹ modulo stride/g, g = gcd(stride, dilation).
class TapWalk {
 public:
  explicit TapWalk(const TransposeAxis& axis);
  int64_t tap_step() const { return tap_step_; }
  int64_t input_step() const { return input_step_; }
  MeetingTaps at(int64_t o) const;
  int64_t phases() const { return std::min(axis_.stride, axis_.out); }
  Phase phase(int64_t first) const;

 private:
  TransposeAxis axis_;
  int64_t common_, tap_step_, input_step_, inverse_;
};

}  // namespace tally
