#pragma once
// Text from values, by {fmt}. Sources see fmt/core.h alone: formatted.cpp holds what does the work, so that it is
// compiled once instead of in every source.
#include <fmt/core.h>

#include <string>
#include <string_view>

namespace tally::tools {

std::string formatted_from(fmt::string_view format, fmt::format_args values);

/// As fmt::format, the format checked when it is compiled.
template <class... T>
std::string formatted(fmt::format_string<T...> format, T&&... values) {
  return formatted_from(format, fmt::make_format_args(values...));
}

/// All of `items`, `between` between two.
template <class Items>
std::string joined(const Items& items, std::string_view between) {
  std::string text;
  bool first = true;
  for (const auto& item : items) {
    if (!first) text += between;
    text += formatted("{}", item);
    first = false;
  }
  return text;
}

}  // namespace tally::tools
