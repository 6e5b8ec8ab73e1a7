#pragma once
#include "tools/device/connection.h"

namespace tally::tools {

/// A device behind the user's own ssh client and its configuration (keys, known hosts, jump hosts). Never asks: what
/// needs a password fails.
class SshConnection : public Connection {
 public:
  /// `destination`: [USER@]HOST[:PORT], an IPv6 address with a port as [HOST]:PORT. `options` as of ssh -o; they win
  /// over the ones set here. Throws Error(usage).
  SshConnection(const std::string& destination, std::vector<std::string> options);

  std::string transport() const override { return "ssh"; }
  std::string address() const override { return destination_; }
  std::string default_folder() const override { return "\"${TMPDIR:-/tmp}\""; }

 protected:
  std::vector<std::string> remote(const std::string& command) const override;
  std::vector<std::string> copy(const std::filesystem::path&, const std::string&) const override { return {}; }

 private:
  std::string destination_, host_, port_;  ///< host_ with the user
  std::vector<std::string> options_;
};

}  // namespace tally::tools
