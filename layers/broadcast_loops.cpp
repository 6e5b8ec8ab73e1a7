#include "tally/layers/broadcast_loops.h"

namespace tally {

std::vector<PairLoop> pair_loops(const Shape& shape, Layout layout, int64_t channel_stride, const Aligned& a,
                                 const Aligned& b) {
  std::vector<PairLoop> all;
  const auto add = [&](size_t d, int64_t size) {
    const auto stride = [&](const Aligned& x) { return x.shape[d] == 1 && shape[d] != 1 ? 0 : x.strides[d]; };
    all.push_back({size, stride(a), stride(b)});
  };
  const size_t rank = shape.size();
  if (layout == Layout::plain) {
    for (size_t d = 0; d < rank; ++d) add(d, shape[d]);
  } else {
    add(0, shape[0]);
    for (size_t d = 2; d < rank; ++d) add(d, shape[d]);
    add(1, channel_stride);
  }
  std::vector<PairLoop> merged;
  for (const PairLoop& loop : all) {
    if (loop.size == 1) continue;
    if (!merged.empty() && merged.back().a_stride == loop.a_stride * loop.size &&
        merged.back().b_stride == loop.b_stride * loop.size)
      merged.back() = {merged.back().size * loop.size, loop.a_stride, loop.b_stride};
    else
      merged.push_back(loop);
  }
  return merged;
}

namespace {

/// Offsets of every row, the last loop fastest.
std::shared_ptr<const std::vector<int64_t>> row_offsets(const std::vector<PairLoop>& loops, int64_t PairLoop::*stride) {
  auto offsets = std::make_shared<std::vector<int64_t>>(1, 0);
  for (const PairLoop& loop : loops) {
    std::vector<int64_t> next;
    next.reserve(offsets->size() * static_cast<size_t>(loop.size));
    for (int64_t base : *offsets)
      for (int64_t i = 0; i < loop.size; ++i) next.push_back(base + i * loop.*stride);
    *offsets = std::move(next);
  }
  return offsets;
}

}  // namespace

BinaryArgs binary_args(const std::vector<PairLoop>& loops, BinaryOp op) {
  BinaryArgs args;
  args.op = op;
  const PairLoop inner = loops.empty() ? PairLoop{1, 1, 1} : loops.back();
  args.inner = inner.size;
  args.a_scalar = inner.a_stride == 0;
  args.b_scalar = inner.b_stride == 0;
  for (size_t i = 0; i + 1 < loops.size(); ++i) args.rows *= loops[i].size;
  if (loops.size() == 2) {
    args.a_row_stride = loops[0].a_stride;
    args.b_row_stride = loops[0].b_stride;
  }
  if (args.rows * args.inner == 0) args.rows = args.inner = 0;
  return args;
}

std::vector<std::shared_ptr<const void>> point_at_rows(BinaryArgs& args, const std::vector<PairLoop>& loops) {
  if (loops.size() <= 2 || args.rows == 0) return {};
  const std::vector<PairLoop> outer(loops.begin(), loops.end() - 1);
  const auto a = row_offsets(outer, &PairLoop::a_stride), b = row_offsets(outer, &PairLoop::b_stride);
  args.a_rows = a->data();
  args.b_rows = b->data();
  return {a, b};
}

}  // namespace tally
