#pragma once
// HTML and XML that is well formed, and safe to show, by construction.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tally::tools {

/// `text` as it may stand between tags or in an attribute in double quotes: &, <, >, " and ' become references. Names
/// come from models that nobody vouches for, so what XML 1.0 forbids (control characters, broken UTF-8, U+FFFE, U+FFFF)
/// and what turns the direction of writing (U+202A to U+202E, U+2066 to U+2069, U+200E, U+200F, U+061C) becomes U+FFFD.
std::string escaped(std::string_view text);

/// Writes elements one after the other. Text and attributes are escaped here, nowhere else.
class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

  Markup& open(std::string_view tag, Attributes attributes = {});
  /// Ends the innermost open element.
  Markup& close();
  /// An element without content: `<rect …/>`.
  Markup& single(std::string_view tag, Attributes attributes = {});
  /// An element that holds text only.
  Markup& leaf(std::string_view tag, std::string_view words, Attributes attributes = {});
  Markup& text(std::string_view words);
  /// Text of our own that is markup already: style sheets, scripts, the document type.
  Markup& verbatim(std::string_view markup);

  /// What was written. Every element must have been closed.
  const std::string& done() const;

 private:
  void begin(std::string_view tag, Attributes attributes);

  std::string written_;
  std::vector<std::string> open_;
};

}  // namespace tally::tools
