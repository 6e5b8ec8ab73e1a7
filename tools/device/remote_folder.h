#pragma once
#include <string>

#include "tools/device/connection.h"

namespace tally::tools {

/// A new folder on a device, readable by its owner only, that is removed with this object, and what runs in it ended:
/// also after an error, an interrupt, or a lost connection where another one can be made.
class RemoteFolder {
 public:
  /// `beneath`: a plain_path(), or empty for the connection's default. `connection` must outlive it. Throws
  /// Error(machine) where the device cannot make one.
  RemoteFolder(const Connection& connection, const std::string& beneath, bool quiet);
  ~RemoteFolder();
  RemoteFolder(const RemoteFolder&) = delete;
  RemoteFolder& operator=(const RemoteFolder&) = delete;

  const std::string& path() const { return path_; }  ///< a plain_path()

 private:
  const Connection& connection_;
  bool quiet_;
  std::string path_;
};

/// File below a RemoteFolder that holds the number of the process that runs there.
inline constexpr const char* kProcessFile = "pid";

}  // namespace tally::tools
