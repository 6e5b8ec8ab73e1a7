#include "tally/layers/permutation.h"

#include <numeric>

namespace tally {

Permutation identity_permutation(size_t rank) {
  Permutation axes(rank);
  std::iota(axes.begin(), axes.end(), size_t{0});
  return axes;
}

Permutation composed(const Permutation& after, const Permutation& before) {
  if (after.empty() || before.empty()) return after.empty() ? before : after;
  Permutation both;
  for (size_t axis : after) both.push_back(before[axis]);
  return both;
}

Shape extents_before(const Shape& shape, const Permutation& permutation) {
  Shape source(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) source[permutation[d]] = shape[d];
  return source;
}

}  // namespace tally
