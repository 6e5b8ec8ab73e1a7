#pragma once
// The memory that a kernel touches, in the order of its loops, by cache lines rather than by instructions: what a model
// of caches is fed with. A line that a register tile uses over and over within its inner loop is named once, for the
// repeats hit the nearest cache in any case; a line that the next tile reads again is named again.
#include <cstdint>

#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"

namespace tally {

class AccessSink {
 public:
  virtual ~AccessSink() = default;
  /// `bytes` adjacent bytes from `address` on, lowest first; addresses are never followed.
  virtual void touch(const void* address, int64_t bytes, bool store) = 0;

  int64_t position = 0;  ///< runs before this one, for kernels that go on where the last run left them

  void load(const void* address, int64_t bytes) { touch(address, bytes, false); }
  void store(const void* address, int64_t bytes) { touch(address, bytes, true); }
};

// Items [begin, end) of a kernel on the instruction set of `geometry`. Pointers to operands need not lead anywhere;
// tables (regions, segments, panels, offsets) are read.
void trace(const GemmArgs& args, const Geometry& geometry, Num num, int64_t begin, int64_t end, AccessSink& sink);
void trace(const PixelConvArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const DepthwiseArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const PoolArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const RecurrentArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const AttentionArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const UnaryArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const BinaryArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const ChannelAffineArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const SoftmaxArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const ReduceArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const RowNormArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const LrnArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);
void trace(const CopyArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink);

/// The same for the kernel `chosen` of a table; false where nobody has written down what it touches.
template <class Args, class Kernel>
bool trace_kernel(const KernelTable& kernels, [[maybe_unused]] Kernel chosen, const Args& args, int64_t begin,
                  int64_t end, AccessSink& sink) {
  const Geometry& geometry = kernels.geometry;
  if constexpr (requires { trace(args, geometry, Num::f32, begin, end, sink); }) {
    for (size_t num = 0; num < kernels.gemm.size(); ++num) {
      if (kernels.gemm[num] != chosen) continue;
      trace(args, geometry, static_cast<Num>(num), begin, end, sink);
      return true;
    }
    return false;
  } else if constexpr (requires { trace(args, geometry, begin, end, sink); }) {
    trace(args, geometry, begin, end, sink);
    return true;
  } else {
    return false;
  }
}

}  // namespace tally
