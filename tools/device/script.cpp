#include "tools/device/script.h"

#include <algorithm>
#include <charconv>

namespace tally::tools {

namespace {

std::string trimmed(const std::string& text) {
  constexpr const char* kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool plain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._-+/").find(c) != std::string_view::npos;
}

}  // namespace

std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

bool plain_path(std::string_view path) {
  return path.starts_with("/") && std::all_of(path.begin(), path.end(), plain_character) &&
         ("/" + std::string(path) + "/").find("/../") == std::string::npos;
}

std::string Answer::word(const std::string& name) const {
  const auto found = sections.find(name);
  return found == sections.end() ? "" : trimmed(found->second);
}

// The line feed before each mark ends a last line that had none.
std::string framed(const std::string& body, const std::string& mark) {
  return "(\nsection() { printf '\\n" + mark + " %s\\n' \"$1\"; }\n(\n" + body + "\n)\nprintf '\\n" + mark +
         "=%d\\n' $?\n)\n";
}

std::optional<Answer> answer_in(const std::string& output, const std::string& mark) {
  Answer answer;
  std::string* section = nullptr;
  for (size_t at = 0; at < output.size();) {
    const size_t end = std::min(output.find('\n', at), output.size());
    std::string_view line(output.data() + at, end - at);
    at = end + 1;
    if (!line.starts_with(mark)) {
      if (section != nullptr) section->append(line).append("\n");
      continue;
    }
    line.remove_prefix(mark.size());
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('=')) {
      const char* last = line.data() + line.size();
      if (const auto [stop, error] = std::from_chars(line.data() + 1, last, answer.code); error == std::errc())
        return answer;
      return std::nullopt;
    }
    if (line.starts_with(' ')) section = &answer.sections[std::string(line.substr(1))];
  }
  return std::nullopt;
}

}  // namespace tally::tools
