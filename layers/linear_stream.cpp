// Products of matrices one time step at a time: time among the rows of A, the columns of B, or the matrices of a batch.
#include <algorithm>

#include "tally/layers/linear.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

enum class Part { none, batch, free, contracted };

struct Position {
  Part part = Part::none;
  int axis = kNoTimeAxis;  ///< of the result
};

StreamStep along(const Position& a, const Position& b) {
  if (a.part == Part::contracted || b.part == Part::contracted) return stream_obstacle("sums over time");
  const bool both = a.part != Part::none && b.part != Part::none;
  if (both && (a.part != Part::batch || b.part != Part::batch || a.axis != b.axis))
    return stream_obstacle("multiplies time steps with each other");
  return stream_unchanged(a.part != Part::none ? a.axis : b.axis);
}

}  // namespace

StreamStep Gemm::stream(Operands in, std::span<const int> time_axes) const {
  const LinearShape s = shape_of(in);
  const auto position = [](int axis, bool rows_first, int free_axis) {
    if (axis == kNoTimeAxis) return Position{};
    return (axis == 0) == rows_first ? Position{Part::free, free_axis} : Position{Part::contracted, kNoTimeAxis};
  };
  StreamStep step = along(position(time_axes[kA], !trans_a_, 0), position(time_axes[kB], trans_b_, 1));
  if (!step.obstacle.empty() || in.size() <= kC || !in[kC].present) return step;
  const int offset = 2 - static_cast<int>(in[kC].shape.size()), axis = step.time_axes[0];
  if (time_axes[kC] != kNoTimeAxis) {
    if (time_axes[kC] + offset != axis) return stream_obstacle("time runs along another axis of C than of A·B");
    return step;
  }
  if (std::string why = meet_time(step, in, kC, axis - offset, axis == 0 ? s.M : s.N); !why.empty())
    return stream_obstacle(std::move(why));
  return step;
}

StreamStep MatMul::stream(Operands in, std::span<const int> time_axes) const {
  shape_of(in);
  const int a_rank = static_cast<int>(in[kA].shape.size()), b_rank = static_cast<int>(in[kB].shape.size());
  const int batch = std::max({a_rank, b_rank, 2}) - 2;  // batch axes of the result
  const auto position = [&](int axis, int rank, bool left) {
    if (axis == kNoTimeAxis) return Position{};
    if (rank == 1) return Position{Part::contracted, kNoTimeAxis};
    if (axis < rank - 2) return Position{Part::batch, axis + batch - (rank - 2)};
    if ((axis == rank - 2) != left) return Position{Part::contracted, kNoTimeAxis};
    return Position{Part::free, left || a_rank == 1 ? batch : batch + 1};
  };
  const Position a = position(time_axes[kA], a_rank, true), b = position(time_axes[kB], b_rank, false);
  StreamStep step = along(a, b);
  if (!step.obstacle.empty()) return step;
  const int timed = a.part != Part::none ? kA : kB, other = 1 - timed;
  if ((timed == kA ? a : b).part != Part::batch || time_axes[static_cast<size_t>(other)] != kNoTimeAxis) return step;
  const int other_rank = other == kA ? a_rank : b_rank;
  const int axis = step.time_axes[0] - (batch - (other_rank - 2));
  if (axis >= other_rank - 2) return step;
  const int64_t steps =
      in[static_cast<size_t>(timed)].shape[static_cast<size_t>(time_axes[static_cast<size_t>(timed)])];
  if (std::string why = meet_time(step, in, other, axis, steps); !why.empty()) return stream_obstacle(std::move(why));
  return step;
}

}  // namespace tally
