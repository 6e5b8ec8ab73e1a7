#pragma once
// Division and rounding upwards, for formulas and packing.
#include <cstdint>

namespace tally {

/// ⌈n / d⌉ for d > 0; 0 for n <= 0.
constexpr int64_t divide_up(int64_t n, int64_t d) { return n > 0 ? (n - 1) / d + 1 : 0; }

/// The least multiple that is >= n, for n >= 0.
constexpr int64_t round_up(int64_t n, int64_t multiple) { return divide_up(n, multiple) * multiple; }

}  // namespace tally
