#include "tools/output/markup.h"

#include <cstdint>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  ///< 0: broken
};

/// The code point that begins at `text[at]`, by the table of well-formed UTF-8 (Unicode 15, table 3-7).
CodePoint code_point(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t bytes = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (first < 0xc2 || bytes == 0 || at + bytes > text.size()) return {};
  uint32_t value = first & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (value < kLeast[bytes] || value > 0x10ffff || surrogate) return {};
  return {value, bytes};
}

bool allowed(uint32_t c) {
  const bool control = (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0);
  const bool turns = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f ||
                     c == 0x061c || c == 0x2028 || c == 0x2029;
  return !control && !turns && (c & 0xfffe) != 0xfffe;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point(text, at);
    if (c.bytes == 0 || !allowed(c.value)) {
      result += kReplacement;
    } else {
      switch (c.value) {
        case '&':
          result += "&amp;";
          break;
        case '<':
          result += "&lt;";
          break;
        case '>':
          result += "&gt;";
          break;
        case '"':
          result += "&quot;";
          break;
        case '\'':
          result += "&#39;";
          break;
        default:
          result += text.substr(at, c.bytes);
      }
    }
    at += c.bytes == 0 ? 1 : c.bytes;
  }
  return result;
}

void Markup::begin(std::string_view tag, Attributes attributes) {
  written_ += '<';
  written_ += tag;
  for (const auto& [name, value] : attributes) {
    written_ += ' ';
    written_ += name;
    written_ += "=\"" + escaped(value) + '"';
  }
}

Markup& Markup::open(std::string_view tag, Attributes attributes) {
  begin(tag, attributes);
  written_ += '>';
  open_.emplace_back(tag);
  return *this;
}

Markup& Markup::close() {
  if (open_.empty()) fail("markup", "an end without an element", "must have one open", ErrorCode::internal);
  written_ += "</" + open_.back() + ">";
  // Lines keep a page fit for diff and editors; within text elements a break would be a blank.
  const std::string_view tag = open_.back();
  if (tag != "span" && tag != "b" && tag != "a" && tag != "bdi" && tag != "code") written_ += '\n';
  open_.pop_back();
  return *this;
}

Markup& Markup::single(std::string_view tag, Attributes attributes) {
  begin(tag, attributes);
  written_ += "/>";
  return *this;
}

Markup& Markup::leaf(std::string_view tag, std::string_view words, Attributes attributes) {
  return open(tag, attributes).text(words).close();
}

Markup& Markup::text(std::string_view words) {
  written_ += escaped(words);
  return *this;
}

Markup& Markup::verbatim(std::string_view markup) {
  written_ += markup;
  return *this;
}

const std::string& Markup::done() const {
  if (!open_.empty()) fail("markup", "'" + open_.back() + "' is open", "must be closed", ErrorCode::internal);
  return written_;
}

}  // namespace tally::tools
