#pragma once
// MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool: Y[n, c, o] = max or mean of X[n, c, o·s − p + k·d] over k.
#include "tally/engine/preparation.h"
#include "tally/layers/absorb.h"
#include "tally/layers/conv_shape.h"

namespace tally {

inline constexpr size_t kMaxPoolAxes = 8;

/// A pooling's shape: X [N, C, in…] to Y [N, C, out…] of the axes. The window of a global pooling is the whole image.
struct PoolShape {
  int64_t N = 0, C = 0;
  std::vector<WindowAxis> axes;  ///< spatial, outermost first

  int64_t inputs() const;       ///< of one channel of one image
  int64_t outputs() const;      ///< of one channel of one image
  int64_t window() const;       ///< taps, those on padding included
  int64_t inside_taps() const;  ///< Σ over the outputs of a channel of the taps inside the image
};

/// Taps outside the image are left out; a window that has none inside gives −∞ (or the lowest number), as an average 0.
class Pool final : public Layer, public TakesZeroPadding {
 public:
  static constexpr int kY = 0, kIndices = 1;

  Pool(const Node& node, PoolKind kind, bool global);

  PoolShape shape_of(Operands in) const;

  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::shared_ptr<const Layer> with_zero_padding(Operands in, const Shape& unpadded,
                                                 const std::vector<int64_t>& pads) const override;

 private:
  /// Kernel arguments, pointers aside, where the kernel serves: float32, one or two spatial axes or all of them, no
  /// indices.
  std::optional<PoolArgs> kernel_args(Operands in, Layout layout, int64_t channel_stride) const;

  PoolKind kind_;
  bool global_;
  WindowAttributes window_;
  bool ceil_mode_ = false, count_include_pad_ = false;
  bool second_output_ = false, indices_ = false, column_major_ = false;
};

/// Plain loops for any number type and any number of axes; adds the step.
struct PoolTask {
  PoolShape shape;
  PoolKind kind = PoolKind::max;
  bool count_include_pad = false;
  bool column_major = false;
};
void add_host_pool_step(Preparation& preparation, const PoolTask& task);

}  // namespace tally
