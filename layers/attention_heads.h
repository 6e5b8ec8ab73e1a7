#pragma once
// How the heads of an attention lie in what its operands are made of.
#include <optional>

#include "tally/layers/attention.h"
#include "tally/layers/strided_read.h"

namespace tally {

/// Extents of an operand, or of the result, as the products see it.
struct HeadExtents {
  int64_t B = 1, H = 1, N = 0, d = 0;
  int64_t shared = 1;  ///< query heads that read one head here
};

/// The view of a dense tensor of `shape` that reads what `read` does, its indices being (batch and head, row, element);
/// nothing where none does.
std::optional<HeadView> head_view(const Shape& shape, const StridedRead& read, const HeadExtents& extents);

}  // namespace tally
