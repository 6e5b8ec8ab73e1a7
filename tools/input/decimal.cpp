#include "tools/input/decimal.h"

#include <cmath>
#include <cstdlib>

namespace tally::tools {

// strtod() reads more than decimals, and in the locale's spelling; the program never leaves the locale "C".
std::optional<Decimal> decimal_at_start(const std::string& text) {
  const size_t digits = text.starts_with("-") ? 1 : 0;
  const bool hexadecimal = text.size() > digits + 1 && text[digits] == '0' && (text[digits + 1] | 0x20) == 'x';
  if (hexadecimal || text.find_first_of("0123456789.", digits) != digits) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(value)) return std::nullopt;
  return Decimal{value, std::string_view(text).substr(static_cast<size_t>(end - text.c_str()))};
}

std::optional<double> decimal_in(const std::string& text) {
  const std::optional<Decimal> decimal = decimal_at_start(text);
  return decimal && decimal->rest.empty() ? std::optional(decimal->value) : std::nullopt;
}

}  // namespace tally::tools
