#pragma once
#include <string>
#include <vector>

namespace tally::tools {

struct Tick {
  double value = 0;
  std::string label;  ///< empty: a line without words
};

/// One direction of a plot: values to shares of its length.
struct Axis {
  double from = 0, to = 1;
  bool logarithmic = false;

  /// 0 at `from`, 1 at `to`; beyond them what is beyond.
  double at(double value) const;
  /// Logarithmic: every power of ten, with lines at 2 to 9 where there are few. Linear: at most `most` + 1 round
  /// values.
  std::vector<Tick> ticks(int most) const;
};

/// The logarithmic axis from 1, 2 or 5 times a power of ten at or below `least` to one at or above `most`; both
/// positive. At least one decade, and at most `decades` beneath the upper end.
Axis log_axis(double least, double most, int decades = 12);

/// The axis from 0 to a round value at or above `most` (1 where that is not positive).
Axis linear_axis(double most);

/// Linear, between round values around [least, most].
Axis linear_axis(double least, double most);

/// "0.001", "0.1", "10", "1k", "1M".
std::string short_number(double value);

}  // namespace tally::tools
