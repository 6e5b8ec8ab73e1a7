#include "tools/output/numbers.h"

#include <algorithm>
#include <cmath>

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

/// Bytes of the UTF-8 sequence that begins at `text[at]`, or 0 where it is broken.
size_t sequence_length(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 0;
  return length;
}

/// Byte offset of the code point number `index`.
size_t offset_of(std::string_view text, size_t index) {
  size_t at = 0;
  while (index > 0 && at < text.size()) {
    const size_t length = sequence_length(text, at);
    at += length == 0 ? 1 : length;
    --index;
  }
  return at;
}

std::string grouped(std::string digits) {
  for (size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

}  // namespace

std::string with_thousands(int64_t value) {
  const std::string digits = formatted("{}", value);
  return value < 0 ? "-" + grouped(digits.substr(1)) : grouped(digits);
}

std::string with_thousands(double value, int decimals) {
  if (!std::isfinite(value)) return "n/a";
  const std::string whole = formatted("{:.{}f}", std::fabs(value), decimals);
  const size_t point = whole.find('.');
  const std::string fraction = point == std::string::npos ? "" : whole.substr(point);
  return (value < 0 ? "-" : "") + grouped(whole.substr(0, point)) + fraction;
}

std::string with_sign(int64_t value) {
  const std::string plain = with_thousands(value);
  return value < 0 ? "−" + plain.substr(1) : "+" + plain;
}

std::string bytes_text(double bytes) {
  if (bytes < 1e3) return formatted("{:.0f} B", bytes);
  if (bytes < 1e6) return formatted("{:.1f} kB", bytes / 1e3);
  if (bytes < 1e9) return formatted("{:.1f} MB", bytes / 1e6);
  return formatted("{:.2f} GB", bytes / 1e9);
}

std::string duration_text(double ns) {
  if (ns < 1e3) return formatted("{:.0f} ns", ns);
  if (ns < 1e6) return formatted("{:.2f} µs", ns / 1e3);
  if (ns < 1e9) return formatted("{:.2f} ms", ns / 1e6);
  return formatted("{:.2f} s", ns / 1e9);
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

std::string printable(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t length = sequence_length(text, at);
    const auto first = static_cast<unsigned char>(text[at]);
    const bool control = first < 0x20 || first == 0x7f ||
                         (first == 0xc2 && length == 2 && static_cast<unsigned char>(text[at + 1]) < 0xa0);
    if (length == 0 || control)
      result += '?';
    else
      result += text.substr(at, length);
    at += length == 0 ? 1 : length;
  }
  return result;
}

std::string short_path(const std::string& name) {
  std::string result;
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string component = name.substr(at, end - at);
    const bool repeated =
        !component.empty() && end < name.size() && name.compare(end + 1, component.size() + 1, component + ".") == 0;
    if (!repeated) result += component + (end < name.size() ? "/" : "");
    at = end + 1;
  }
  return result;
}

std::string cut_middle(const std::string& text, size_t width) {
  const size_t have = display_width(text);
  if (have <= width || width == 0) return text;
  const size_t head = width / 2, tail = width - 1 - head;
  return text.substr(0, offset_of(text, head)) + "…" + text.substr(offset_of(text, have - tail));
}

}  // namespace tally::tools
