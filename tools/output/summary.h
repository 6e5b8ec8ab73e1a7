#pragma once
#include <cstdint>
#include <vector>

#include "tally/engine/tensor.h"

namespace tally::tools {

/// What a tensor holds, at a glance. Statistics are of finite elements; 0 of them: none.
struct TensorSummary {
  double min = 0, max = 0, mean = 0;
  int64_t finite = 0, not_finite = 0;
  std::vector<double> first;  ///< at most kFirst elements
  static constexpr size_t kFirst = 10;
};

/// Empty where the element type has no numbers (strings).
TensorSummary summarize(const Tensor& tensor);

}  // namespace tally::tools
