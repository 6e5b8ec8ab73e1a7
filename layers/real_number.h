#pragma once
// Numbers of any element type as doubles, for interpolation: what is computed is a real, whatever the tensor holds.
#include <cmath>
#include <limits>

#include "tally/layers/host_number.h"

namespace tally {

/// Rounds once; to integers the nearest that fits, NaN becomes 0.
template <class T>
T from_real(double value) {
  if constexpr (std::is_integral_v<T>) {
    const double rounded = std::nearbyint(value);
    if (std::isnan(rounded)) return 0;
    if (rounded <= static_cast<double>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
    if (rounded >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return static_cast<T>(rounded);
  } else if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    return from_sum<T>(value);
  }
}

/// Exact up to 53 bits.
template <class T>
double to_real(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return to_float(value);
  else
    return static_cast<double>(value);
}

}  // namespace tally
