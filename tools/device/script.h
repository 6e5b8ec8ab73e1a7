#pragma once
// Scripts for the POSIX shell of a device, and what comes back from them.
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tally::tools {

/// One word of a POSIX shell that means exactly `text`, whatever it holds: 'it'\''s'.
std::string shell_word(std::string_view text);

/// True for a path that means itself in any shell: absolute, of letters, digits, and . _ - + / only, without "..".
bool plain_path(std::string_view path);

/// What a script wrote.
struct Answer {
  int code = 0;                                 ///< of the script's last command
  std::map<std::string, std::string> sections;  ///< what came after `section NAME`, without that line
  /// The section's text without blanks around it; empty where there is none.
  std::string word(const std::string& name) const;
};

/// `body` between lines that carry `mark`, so that nothing that a login shell prints is taken for its output, and an
/// end that did not arrive is noticed. `section NAME` in it begins a section. The whole is one compound command: a
/// shell that did not get all of it runs nothing of it.
std::string framed(const std::string& body, const std::string& mark);

/// What the framed script wrote; nothing where its end is missing: the connection was lost.
std::optional<Answer> answer_in(const std::string& output, const std::string& mark);

}  // namespace tally::tools
