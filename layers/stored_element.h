#pragma once
// Elements of every type that quantisation knows, 4-bit integers and 8-bit floats among them, as doubles: one call an
// element, for plain loops.
#include <algorithm>

#include "tally/layers/real_number.h"

namespace tally {

/// Reads element i. Null for a type that holds no real numbers.
using ElementReader = double (*)(const std::byte* values, int64_t i);
ElementReader element_reader(DType type);

/// Rounds to the type's nearest, halves to even, and stores it as element i. Integers saturate, NaN becomes 0; 8-bit
/// floats saturate where `saturate` says so (to_float8). 4-bit elements are written in order (set_nibble). Null for a
/// type that holds no real numbers.
using ElementWriter = void (*)(std::byte* values, int64_t i, double value);
ElementWriter element_writer(DType type, bool saturate);

/// Bytes in which one element lies: a 4-bit one takes half of one.
inline int64_t bytes_around(DType type) { return std::max<int64_t>(1, bits_of(type) / 8); }

}  // namespace tally
