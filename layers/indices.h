#pragma once
// Tensors of indices: checked where they are constant, tamed where they are not.
#include <algorithm>
#include <cstring>

#include "tally/layers/placement.h"

namespace tally {

/// Indices in memory, int32 or int64.
struct IndexReader {
  const std::byte* at = nullptr;
  bool wide = true;  ///< int64
  int64_t bytes() const { return wide ? 8 : 4; }
  int64_t operator[](int64_t i) const {
    if (wide) return reinterpret_cast<const int64_t*>(at)[i];
    return reinterpret_cast<const int32_t*>(at)[i];
  }
};

/// An index of an axis of n ≥ 1 elements as a position in it: negative ones count from the end. A run cannot fail, so
/// what lies outside [−n, n) reads the nearest element there is: never memory outside the tensor, and as many bytes as
/// planned.
inline int64_t clamped_index(int64_t index, int64_t n) {
  return std::clamp<int64_t>(index < 0 ? index + n : index, 0, n - 1);
}

/// The same for writing: −1 where the index lies outside, since no element there is may take the value of another.
inline int64_t valid_index(int64_t index, int64_t n) {
  if (index < 0) index += n;
  return index >= 0 && index < n ? index : -1;
}

/// Throws Error(model) where `operand` is not int32 or int64, or is constant and has an index outside [−n, n).
void check_indices(const std::string& who, const Operand& operand, int64_t n);

/// Offset of row `row` of a box whose outer dimensions have these sizes and strides, the last one fastest.
inline int64_t row_offset(int64_t row, const Shape& sizes, const Shape& strides) {
  int64_t offset = 0;
  for (size_t d = sizes.size(); d-- > 0;) {
    offset += row % sizes[d] * strides[d];
    row /= sizes[d];
  }
  return offset;
}

/// GatherElements and ScatterElements: a tensor of indices walked in order, each element paired with one of the data
/// that lies at the same place but for one axis.
struct ElementWalk {
  Shape sizes, strides;  ///< of the outer dimensions of the indices; strides in the data, 0 along the axis
  int64_t rows = 1, inner = 1, inner_stride = 0;
  int64_t axis_extent = 1, axis_stride = 1;
};
/// Throws Error(model) naming `who` where ranks differ or the indices reach beyond the data along another axis.
ElementWalk element_walk(const std::string& who, const Shape& data, const Shape& indices, int64_t axis);

/// GatherND and ScatterND: tuples of indices, each choosing a row of the data.
struct TupleWalk {
  int64_t batches = 1, tuples = 0;    ///< tuples: of each batch
  int64_t batch_stride = 0, row = 1;  ///< elements of the data
  Shape extents, strides;             ///< of the axes that a tuple chooses from
  int64_t width() const { return static_cast<int64_t>(extents.size()); }
};
/// Throws Error(model) naming `who` where shapes contradict each other or a constant index lies outside.
TupleWalk tuple_walk(const std::string& who, const Shape& data, const Operand& indices, int64_t batch_dims);

/// Indices first, first + step, … at positions [begin, begin + count) of a list.
struct IndexRun {
  int64_t begin = 0, count = 0, first = 0, step = 0;
};

/// A list of indices of an axis of n elements as evenly spaced runs, negative indices counted from the end; nothing
/// where there would be more than `most`.
std::optional<std::vector<IndexRun>> index_runs(const std::vector<int64_t>& indices, int64_t n, size_t most);

}  // namespace tally
