#pragma once
// MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool: Y[n, c, o] = max or mean of X[n, c, o·s − p + k·d] over k.
#include "tally/engine/preparation.h"
#include "tally/layers/absorb.h"
#include "tally/layers/pool_shape.h"

namespace tally {

/// A pooling whose shape is known.
struct PoolTask {
  PoolShape shape;
  PoolKind kind = PoolKind::max;
  bool count_include_pad = false;
  bool column_major = false;  ///< of the indices
};

/// Taps outside the image are left out; a window that has none inside gives −∞ (or the lowest number), as an average 0.
class Pool final : public Layer, public TakesZeroPadding {
 public:
  static constexpr int kY = 0, kIndices = 1;

  Pool(const Node& node, PoolKind kind, bool global);

  PoolTask task_of(Operands in) const;

  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::shared_ptr<const Layer> with_zero_padding(Operands in, const Shape& unpadded,
                                                 const std::vector<int64_t>& pads) const override;

 private:
  PoolKind kind_;
  PoolWindow window_;
  bool count_include_pad_ = false;
  bool second_output_ = false, indices_ = false, column_major_ = false;
};

/// Arguments of the pooling kernel, pointers aside, pass after pass: one for a single axis, for two, and for a window
/// that is the whole image. More axes take one pass for the last two and one for each other, from the inside out: a
/// maximum of maxima, and a mean of means, since what a window counts is the product of what its axes count. Empty
/// where extents are beyond the kernel, and for several passes in channels_last. `channel_stride`: channels that a
/// pixel holds in channels_last.
std::vector<PoolArgs> pool_passes(const PoolTask& task, Layout layout, int64_t channel_stride);

/// Adds their steps, and scratch for what lies between them.
void add_pool_passes(Preparation& preparation, const std::vector<PoolArgs>& passes, double cycles);

/// Plain loops for any number type and any number of axes; adds the step.
void add_host_pool_step(Preparation& preparation, const PoolTask& task);

}  // namespace tally
