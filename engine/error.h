#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace tally {

/// What an error means to the caller; the program's exit codes follow it.
enum class ErrorCode {
  usage,     ///< the caller's request cannot be understood (exit 2)
  model,     ///< the model or an input is bad or unsupported (exit 3)
  limit,     ///< over a limit such as max_memory (exit 3)
  machine,   ///< this machine cannot do it (exit 4)
  internal,  ///< a defect of ours (exit 5)
};

/// Thrown at load or plan, never by run. what() reads `Conv 'c3': group=5 must divide C=64`:
/// node, value found, value required. Where what was found is a sentence of its own, a semicolon parts the two:
/// `file 'x.onnx': does not exist; must be a readable file`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string node, std::string found, std::string required);
  ErrorCode code;
  std::string node, found, required;
};

/// Joins its arguments as text.
template <class... T>
std::string text(const T&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

[[noreturn]] inline void fail(std::string node, std::string found, std::string required,
                              ErrorCode code = ErrorCode::model) {
  throw Error(code, std::move(node), std::move(found), std::move(required));
}

}  // namespace tally
