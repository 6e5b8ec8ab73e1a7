#include "tools/output/summary.h"

#include <algorithm>
#include <cmath>

namespace tally::tools {

TensorSummary summarize(const Tensor& tensor) {
  TensorSummary summary;
  if (bits_of(tensor.dtype()) == 0 || tensor.dtype() == DType::complex64 || tensor.dtype() == DType::complex128)
    return summary;
  const std::vector<double> values = tensor.to_double();
  double sum = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      ++summary.not_finite;
      continue;
    }
    summary.min = summary.finite == 0 ? value : std::min(summary.min, value);
    summary.max = summary.finite == 0 ? value : std::max(summary.max, value);
    sum += value;
    ++summary.finite;
  }
  if (summary.finite > 0) summary.mean = sum / static_cast<double>(summary.finite);
  summary.first.assign(values.begin(),
                       values.begin() + static_cast<std::ptrdiff_t>(std::min(values.size(), TensorSummary::kFirst)));
  return summary;
}

}  // namespace tally::tools
