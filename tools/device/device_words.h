#pragma once
#include <string>
#include <vector>

namespace tally::tools {

/// The words after the program's name, with those of `device` that leave open what they belong to spelled out: what
/// follows "--" becomes --pass=WORD, and --adb without a serial --adb=any. (A serial is a word after --adb that is
/// neither an option, nor a file or folder, nor ends in ".onnx".) Other commands' words stay.
std::vector<std::string> spelled_out(int argc, const char* const* argv);

/// What --adb=any means.
inline constexpr const char* kAnyDevice = "any";

}  // namespace tally::tools
