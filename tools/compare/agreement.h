#pragma once
#include <string>

#include "tally/engine/tensor.h"

namespace tally::tools {

/// How two tensors agree, element by element: |got − expected| ≤ atol + rtol·|expected|, infinities equal, NaN with
/// NaN. Neighbouring finite values of float16 and bfloat16 agree whatever the tolerance: two ways of rounding differ
/// so.
struct Agreement {
  int64_t elements = 0;
  int64_t differing = 0;
  double largest_difference = 0;  ///< of finite elements
  int64_t worst = -1;             ///< row-major index of the element that misses by most; -1: none differs
  double worst_got = 0, worst_expected = 0;
  std::string mismatch;  ///< of type or shape; empty: comparable

  bool agrees() const { return mismatch.empty() && differing == 0; }
};

Agreement compare_tensors(const Tensor& got, const Tensor& expected, double rtol, double atol);

/// "[0, 3, 17]": where a row-major index lies in a shape.
std::string index_text(int64_t index, const Shape& shape);

}  // namespace tally::tools
