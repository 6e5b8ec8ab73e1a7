#pragma once
#include <vector>

#include "tally/engine/shape.h"

namespace tally {

/// Axis i of a result is axis permutation[i] of what it is made of; empty: every axis stays.
using Permutation = std::vector<size_t>;

/// The permutation of `rank` axes that keeps each in its place.
Permutation identity_permutation(size_t rank);

/// What `after` makes of what `before` made, as one permutation: axis i is axis before[after[i]].
Permutation composed(const Permutation& after, const Permutation& before);

/// The extents that `permutation` turned into `shape`.
Shape extents_before(const Shape& shape, const Permutation& permutation);

}  // namespace tally
