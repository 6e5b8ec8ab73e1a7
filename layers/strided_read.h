#pragma once
// Where the elements that a node reads by several indices lie in the tensors that its operand was made of: followed
// back through layers that only move elements, so that a kernel with strides can read past them.
#include <optional>
#include <vector>

#include "tally/engine/rewrite.h"
#include "tally/layers/copy_layer.h"

namespace tally {

/// `extent` consecutive values of (a part of) an index, whose elements lie `stride` apart.
struct Digit {
  int64_t extent = 1, stride = 0;
  friend bool operator==(const Digit&, const Digit&) = default;
};

/// An index as digits, the most significant first. None has extent 1, and no two could be one.
using Digits = std::vector<Digit>;

/// Element (i_0, i_1, …) of an operand is element offset + Σ_k (digits of i_k, each by its stride) of a dense tensor.
struct StridedRead {
  int64_t offset = 0;
  std::vector<Digits> indices;

  /// Extents of the indices along the axes of a dense tensor.
  static StridedRead of(const Shape& shape);
};

/// The read with indices `first` and `second`, adjacent in significance, as one in place of `first`.
StridedRead joined(StridedRead read, size_t first, size_t second);

/// The digits cut so that the lower ones have `low` values in all; nothing where they do not divide so.
std::optional<std::pair<Digits, Digits>> cut_digits(const Digits& digits, int64_t low);

/// One loop of a move between dense tensors: `size` elements, `to` apart in the one that is read, `from` apart in the
/// one that is to be read.
struct MoveLoop {
  int64_t size = 1, to = 0, from = 0;
};

/// The same elements as they lie on the other side of a move; nothing where an index does not keep to strides there.
/// The loops cover every element of the tensor that is read now; `from_offset`: of its first one.
std::optional<StridedRead> moved(const StridedRead& read, std::vector<MoveLoop> loops, int64_t from_offset);

/// The read of input 0 of the node that makes `value`, in the place of the read of `value`: through views and layers
/// with a whole_move(); nothing where there is no such node.
std::optional<StridedRead> read_before(Rewriter& rewriter, ValueId value, const StridedRead& read);

/// The read of the output of node `index` in the place of the read of its input 0.
std::optional<StridedRead> read_after(Rewriter& rewriter, int index, const StridedRead& read);

}  // namespace tally
