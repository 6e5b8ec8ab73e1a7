#pragma once
// The ways to run a convolution, one file each. A new one is its file and its row in conv.cpp.
#include <array>

#include "tally/engine/preparation.h"
#include "tally/layers/conv.h"
#include "tally/layers/operand.h"

namespace tally {

/// Outputs that are not all of Y's pixels: output o of an axis is pixel first + o·step of it. D H W.
struct OutputGrid {
  std::array<int64_t, 3> extents, first, step;
};

/// A convolution whose shape is known.
struct ConvTask {
  ConvShape shape;
  ConvTail tail;
  Operands in;
  bool channels_inner = false;  ///< X is plain with channels innermost
  std::optional<OutputGrid> grid = {};

  bool has_bias() const { return has_operand(in, Conv::kB); }
  bool constant_weights() const { return in[Conv::kW].constant && (!has_bias() || in[Conv::kB].constant); }
  /// Y is a single pixel.
  bool point() const;
  /// A candidate of this task with the data operands in the given layouts (the residual lies like the output).
  Candidate candidate(const char* kernel, Layout x, Layout y, double cycles) const;
};

/// Arguments with a bias or without: planned tallies look at whether there is one, never at it.
template <class Args>
Args described(Args args, bool has_bias) {
  static constexpr float kSomething = 0;
  args.bias = has_bias ? &kSomething : nullptr;
  return args;
}

/// Element strides of a tensor [images, C, D, H, W] in a layout.
struct ImageStrides {
  int64_t image = 0, c = 0, z = 0, y = 0, x = 0;
};
/// `extents`: D H W. `channel_stride`: channels that a pixel holds in channels_last.
ImageStrides image_strides(Layout layout, int64_t C, const std::array<int64_t, 3>& extents, int64_t channel_stride);

/// Output channels across lanes, any window: regions of equal valid taps, weights packed in the order of the segments.
void list_conv_gemm(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_conv_gemm(const ConvTask& task, const Candidate& candidate, Preparation& preparation);

/// Output pixels across lanes, for few output channels: images without depth, stride 1 along rows; padding through a
/// padded copy.
void list_conv_pixel(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_conv_pixel(const ConvTask& task, const Candidate& candidate, Preparation& preparation);

/// One input and one output channel a group, channels across lanes; images without depth.
void list_conv_depthwise(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_conv_depthwise(const ConvTask& task, const Candidate& candidate, Preparation& preparation);

/// Plain loops in double for every other element type, and where no kernel's tables would fit.
void list_conv_host(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list);
void prepare_conv_host(const ConvTask& task, const Candidate& candidate, Preparation& preparation);

}  // namespace tally
