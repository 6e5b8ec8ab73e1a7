#include "tools/html/axis.h"

#include <algorithm>
#include <cmath>

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

/// 1, 2 or 5 times a power of ten: the least such number at or above `step`.
double round_step(double step) {
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= step * (1 - 1e-12)) return factor * power;
  return 10 * power;
}

constexpr int kLinearSteps = 5;

}  // namespace

double Axis::at(double value) const {
  if (!logarithmic) return (value - from) / (to - from);
  return std::log(value / from) / std::log(to / from);
}

std::vector<Tick> Axis::ticks(int most) const {
  std::vector<Tick> list;
  if (!logarithmic) {
    const double step = round_step((to - from) / std::max(1, most));
    const double first = std::ceil(from / step - 1e-9);
    for (int k = 0; k <= most + 1; ++k)
      if (const double value = (first + k) * step; value <= to + step * 1e-9)
        list.push_back({value, short_number(value)});
    return list;
  }
  const int first = static_cast<int>(std::ceil(std::log10(from) - 1e-9)),
            last = static_cast<int>(std::floor(std::log10(to) + 1e-9));
  const int every = (last - first) / std::max(1, most) + 1;
  for (int power = first - 1; power <= last; ++power)
    for (int k = 1; k < 10; ++k) {
      const double value = k * std::pow(10.0, power);
      if (value < from * (1 - 1e-9) || value > to * (1 + 1e-9) || (k > 1 && last - first > 4)) continue;
      const bool named = k == 1 ? (power - first) % every == 0 : last - first < 2 && (k == 2 || k == 5);
      list.push_back({value, named ? short_number(value) : ""});
    }
  return list;
}

Axis log_axis(double least, double most, int decades) {
  const double to = round_step(most), from = 1 / round_step(1 / least);
  return {std::max({std::min(from, to / 10), to * std::pow(10.0, -decades)}), to, true};
}

Axis linear_axis(double most) {
  if (!(most > 0)) return {0, 1, false};
  const double step = round_step(most / kLinearSteps);
  return {0, std::ceil(most / step - 1e-9) * step, false};
}

Axis linear_axis(double least, double most) {
  // A step that vanishes beside the numbers themselves would have no ticks.
  const double room = std::max(0.5, 1e-3 * std::max(std::fabs(least), std::fabs(most)));
  if (!(most - least > 1e-9 * room)) return {least - room, least + room, false};
  const double step = round_step((most - least) / kLinearSteps);
  return {std::floor(least / step + 1e-9) * step, std::ceil(most / step - 1e-9) * step, false};
}

std::string short_number(double value) {
  const double size = std::fabs(value);
  for (const auto& [unit, letter] : {std::pair{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}})
    if (size >= unit * (1 - 1e-12)) return formatted("{:.4g}{}", value / unit, letter);
  if (size < 1e-12) return "0";
  if (size < 1e-4) return formatted("{:.0e}", value);
  return formatted("{:.4g}", value);
}

}  // namespace tally::tools
