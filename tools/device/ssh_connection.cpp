#include "tools/device/ssh_connection.h"

#include <algorithm>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

/// Seconds to connect, and how often to ask a silent peer for a sign of life: three unanswered end the connection.
constexpr const char* kDefaults[] = {"BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5",
                                     "ServerAliveCountMax=3"};

bool all_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

SshConnection::SshConnection(const std::string& destination, std::vector<std::string> options)
    : destination_(destination), host_(destination), options_(std::move(options)) {
  const size_t colon = destination.rfind(':');
  const bool one = colon != std::string::npos && destination.find(':') == colon;
  const bool bracketed = colon != std::string::npos && colon > 0 && destination[colon - 1] == ']';
  if ((one || bracketed) && all_digits(destination.substr(colon + 1))) {
    host_ = destination.substr(0, colon);
    port_ = destination.substr(colon + 1);
  }
  std::erase_if(host_, [](char c) { return c == '[' || c == ']'; });
  const bool printable = std::all_of(host_.begin(), host_.end(), [](unsigned char c) { return c > ' ' && c != 0x7f; });
  // A leading minus would be an option of ssh.
  if (host_.empty() || !printable || host_.front() == '-' || host_.find("@-") != std::string::npos ||
      host_.ends_with('@') || port_.size() > 5)
    fail("--ssh", "'" + destination + "'", "must be [USER@]HOST[:PORT]", ErrorCode::usage);
}

std::vector<std::string> SshConnection::remote(const std::string& command) const {
  std::vector<std::string> words{"ssh", "-T"};
  const auto add = [&](const std::string& option) { words.insert(words.end(), {"-o", option}); };
  for (const std::string& option : options_) add(option);  // the first value of an option holds
  for (const char* option : kDefaults) add(option);
  if (!port_.empty()) words.insert(words.end(), {"-p", port_});
  words.insert(words.end(), {"--", host_, command});
  return words;
}

}  // namespace tally::tools
