#include "tools/input/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tally::tools {

int64_t Sampler::draw(std::span<const float> logits) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isfinite(logits[i])) order.push_back(static_cast<int64_t>(i));
  if (order.empty()) return -1;
  const auto logit = [&](int64_t i) { return logits[static_cast<size_t>(i)]; };
  // Largest first; of equal ones the first in the vocabulary, so that the order is the same everywhere.
  const auto before = [&](int64_t a, int64_t b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; };
  if (options_.temperature <= 0) return *std::min_element(order.begin(), order.end(), before);
  const auto kept = options_.top_k > 0 ? std::min(static_cast<size_t>(options_.top_k), order.size()) : order.size();
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), before);
  order.resize(kept);
  std::vector<double> upto;  // running sums of the weights
  double sum = 0;
  for (const int64_t i : order) {
    sum += std::exp((static_cast<double>(logit(i)) - static_cast<double>(logit(order[0]))) / options_.temperature);
    upto.push_back(sum);
  }
  const double at = static_cast<double>(generator_() >> 11) * 0x1p-53 * sum;
  const auto found = std::upper_bound(upto.begin(), upto.end(), at);
  return order[static_cast<size_t>(std::min(found, upto.end() - 1) - upto.begin())];
}

}  // namespace tally::tools
