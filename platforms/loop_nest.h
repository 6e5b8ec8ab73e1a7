#pragma once
// The loops of a kernel call and where its counts come from, in words and numbers, for people. Nothing runs by them.
#include <initializer_list>
#include <string>
#include <vector>

#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

struct LoopNest {
  /// A part of the planned tally (loaded_weights, lane_padding …) with its formula: value = numbers, evaluated.
  struct Part {
    int64_t Planned::*part;
    std::string symbols, numbers;
    int64_t value = 0;
  };
  std::vector<std::string> loops;  ///< outermost first; the last one is what the innermost loop executes
  std::vector<Part> parts;
};

/// "a·b·c" of numbers.
std::string product_text(std::initializer_list<int64_t> factors);

/// The nest of a call of the kernel that takes these arguments, on an ISA of this geometry. Each part's value equals
/// the planned one, which is tested.
LoopNest loop_nest(const GemmArgs& args, const Geometry& geometry);  ///< fp32
LoopNest loop_nest(const PixelConvArgs& args, const Geometry& geometry);
LoopNest loop_nest(const DepthwiseArgs& args, const Geometry& geometry);
LoopNest loop_nest(const RecurrentArgs& args, const Geometry& geometry);
LoopNest loop_nest(const AttentionArgs& args, const Geometry& geometry);
LoopNest loop_nest(const RotaryArgs& args, const Geometry& geometry);
LoopNest loop_nest(const PoolArgs& args, const Geometry& geometry);
LoopNest loop_nest(const UnaryArgs& args, const Geometry& geometry);
LoopNest loop_nest(const BinaryArgs& args, const Geometry& geometry);
LoopNest loop_nest(const ChannelAffineArgs& args, const Geometry& geometry);
LoopNest loop_nest(const SoftmaxArgs& args, const Geometry& geometry);
LoopNest loop_nest(const ReduceArgs& args, const Geometry& geometry);
LoopNest loop_nest(const RowNormArgs& args, const Geometry& geometry);
LoopNest loop_nest(const LrnArgs& args, const Geometry& geometry);
LoopNest loop_nest(const CopyArgs& args, const Geometry& geometry);

}  // namespace tally
