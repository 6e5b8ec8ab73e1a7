#include "tally/layers/attention_heads.h"

#include <algorithm>

namespace tally {

namespace {

/// An index of `extent` values `stride` apart.
Digits evenly(int64_t extent, int64_t stride) { return extent == 1 ? Digits{} : Digits{{extent, stride}}; }

/// A read of which batch and head are told apart.
struct HeadRead {
  Digits batch, head, row;
  int64_t offset = 0;
};

std::optional<HeadRead> head_read(const StridedRead& read, const HeadExtents& x) {
  const auto shared = cut_digits(read.indices[0], x.shared);
  if (!shared) return {};
  // Every one of the heads that share reads the same.
  if (std::any_of(shared->second.begin(), shared->second.end(), [](const Digit& d) { return d.stride != 0; }))
    return {};
  const auto apart = cut_digits(shared->first, x.H / x.shared);
  if (!apart || read.indices[2] != evenly(x.d, 1)) return {};
  return HeadRead{apart->first, apart->second, read.indices[1], read.offset};
}

/// [B, N, columns] or [N, B, columns]: heads in the columns.
std::optional<HeadView> in_columns(HeadLayout layout, const HeadRead& r, const HeadExtents& x, int64_t columns) {
  const int64_t heads = x.H / x.shared;
  const bool rows_first = layout == HeadLayout::rows_first;
  if (r.batch != evenly(x.B, rows_first ? columns : x.N * columns) ||
      r.row != evenly(x.N, rows_first ? x.B * columns : columns) || r.head.size() > 1 || r.offset >= columns)
    return {};
  const int64_t stride = r.head.empty() ? x.d : r.head[0].stride;
  if (stride < x.d || r.offset + (heads - 1) * stride + x.d > columns) return {};
  if (columns == heads * x.d) return stride == x.d ? std::optional<HeadView>(layout) : std::nullopt;
  return HeadView(layout, r.offset, stride, x.d);
}

}  // namespace

std::optional<HeadView> head_view(const Shape& shape, const StridedRead& read, const HeadExtents& x) {
  const std::optional<HeadRead> r = head_read(read, x);
  if (!r) return {};
  const int64_t heads = x.H / x.shared;
  const auto lies = [&](HeadLayout layout, const Shape& wanted) {
    if (shape != wanted) return false;
    const HeadStrides s = head_strides(layout, wanted, {x.B, heads, x.N, x.d});
    return r->offset == 0 && r->batch == evenly(x.B, s.batch) && r->head == evenly(heads, s.head) &&
           r->row == evenly(x.N, s.row);
  };
  if (lies(HeadLayout::apart, {x.B, heads, x.N, x.d})) return HeadView(HeadLayout::apart);
  if (lies(HeadLayout::interleaved, {x.B, x.N, heads, x.d})) return HeadView(HeadLayout::interleaved);
  if (lies(HeadLayout::rows_first, {x.N, x.B, heads, x.d})) return HeadView(HeadLayout::rows_first);
  if (shape.size() == 3 && shape[0] == x.B && shape[1] == x.N)
    if (const auto view = in_columns(HeadLayout::interleaved, *r, x, shape[2])) return view;
  if (shape.size() == 3 && shape[0] == x.N && shape[1] == x.B)
    if (const auto view = in_columns(HeadLayout::rows_first, *r, x, shape[2])) return view;
  if (lies(HeadLayout::merged, {x.B * heads, x.N, x.d})) return HeadView(HeadLayout::merged);
  if (shape.size() == 2 && x.B == 1 && shape[0] == x.N) return in_columns(HeadLayout::interleaved, *r, x, shape[1]);
  return {};
}

}  // namespace tally
