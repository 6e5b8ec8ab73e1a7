#include "tools/device/device_words.h"

#include <filesystem>

namespace tally::tools {

namespace {

bool serial(const std::string& word) {
  std::error_code error;
  return !word.starts_with("-") && !word.ends_with(".onnx") && !std::filesystem::exists(word, error);
}

}  // namespace

std::vector<std::string> spelled_out(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || words.front() != "device") return words;
  std::vector<std::string> spelled;
  bool passed = false;
  for (size_t i = 0; i < words.size(); ++i) {
    if (passed) {
      spelled.push_back("--pass=" + words[i]);
    } else if (words[i] == "--") {
      passed = true;
    } else if (words[i] == "--adb") {
      const bool named = i + 1 < words.size() && serial(words[i + 1]);
      spelled.push_back(std::string("--adb=") + (named ? words[++i] : kAnyDevice));
    } else {
      spelled.push_back(words[i]);
    }
  }
  return spelled;
}

}  // namespace tally::tools
