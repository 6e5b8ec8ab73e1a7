#pragma once
// Numbers and words as people read them.
#include <cstdint>
#include <string>
#include <string_view>

namespace tally::tools {

/// 1234567 → "1,234,567".
std::string with_thousands(int64_t value);
/// The same with `decimals` digits after the point; "n/a" for what is no number.
std::string with_thousands(double value, int decimals);
/// "+1,234" or "−1,234": a difference.
std::string with_sign(int64_t value);
/// Bytes in the unit that suits: "512 B", "61.7 kB", "2.1 MB" (powers of 1000).
std::string bytes_text(double bytes);
/// Nanoseconds in the unit that suits: "820 ns", "8.25 µs", "1.20 ms", "3.4 s".
std::string duration_text(double ns);

/// Columns that UTF-8 text takes on a terminal, one a code point.
size_t display_width(std::string_view text);
/// Text that may go to a terminal: control characters and broken UTF-8, which a model's names may hold, become "?".
std::string printable(std::string_view text);
/// A path-like name without components that the next one repeats: "/conv/conv.0/conv.0.1/Conv" → "/conv.0.1/Conv".
std::string short_path(const std::string& name);
/// At most `width` columns, the middle replaced by "…".
std::string cut_middle(const std::string& text, size_t width);

}  // namespace tally::tools
