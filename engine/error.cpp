#include "tally/engine/error.h"

#include <algorithm>
#include <string_view>

namespace tally {

namespace {

/// Words with which what was found makes a sentence of its own ("cannot be read", "input 1 is absent"), wherever they
/// stand, and those with which it does only at its beginning ("no such layer", "missing").
constexpr std::string_view kVerbs[] = {"is",   "are",   "does",  "do",    "cannot", "has",
                                       "have", "would", "begin", "takes", "depends"};
constexpr std::string_view kOpenings[] = {"no", "not", "missing", "given", "written", "asked", "without", "out"};

template <size_t N>
bool contains(const std::string_view (&words)[N], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

/// What follows a colon is one too ("x.onnx: permission denied"). Words in quotes are names and say nothing.
bool is_sentence(std::string_view found) {
  bool quoted = false, first = true;
  while (!found.empty()) {
    const size_t end = std::min(found.find(' '), found.size());
    const std::string_view word = found.substr(0, end);
    if (!quoted && (contains(kVerbs, word) || word.ends_with(':') || (first && contains(kOpenings, word)))) return true;
    if (std::count(word.begin(), word.end(), '\'') % 2 != 0) quoted = !quoted;
    first = false;
    found.remove_prefix(std::min(end + 1, found.size()));
  }
  return false;
}

std::string joined(const std::string& node, const std::string& found, const std::string& required) {
  std::string text = node.empty() ? found : node + ": " + found;
  if (required.empty()) return text;
  return text + (is_sentence(found) ? "; " : " ") + required;
}

}  // namespace

Error::Error(ErrorCode error_code, std::string about, std::string what_is, std::string what_must_be)
    : std::runtime_error(joined(about, what_is, what_must_be)),
      code(error_code),
      node(std::move(about)),
      found(std::move(what_is)),
      required(std::move(what_must_be)) {}

}  // namespace tally
