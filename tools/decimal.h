#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tally::tools {

/// A number and what follows it.
struct Decimal {
  double value = 0;
  std::string_view rest;  ///< of the text that was read, which must live on
};

/// The finite decimal number that `text` begins with ("1.5", "-2e3"; no blanks, no "+", no hexadecimal); nothing where
/// it begins with none. std::from_chars would do, but libc++ has it for floating point from version 20 on only, and
/// with it Android's NDK.
std::optional<Decimal> decimal_at_start(const std::string& text);

/// The number that all of `text` is.
std::optional<double> decimal_in(const std::string& text);

}  // namespace tally::tools
