#pragma once
#include <utility>

#include "tools/device/connection.h"

namespace tally::tools {

/// An Android device behind the user's own adb.
class AdbConnection : public Connection {
 public:
  /// `serial` as in `adb devices`; empty: the only one attached. Asks adb (which starts its server where none runs).
  /// Throws Error(machine) where there is no such device, it has not allowed this computer, or the choice is not clear.
  explicit AdbConnection(const std::string& serial);

  std::string transport() const override { return "adb"; }
  std::string address() const override { return serial_; }
  std::string default_folder() const override { return "/data/local/tmp"; }

 protected:
  std::vector<std::string> remote(const std::string& command) const override;
  std::vector<std::string> copy(const std::filesystem::path& file, const std::string& to) const override;

 private:
  std::string serial_;
};

/// (serial, state) of each line of `adb devices`.
std::vector<std::pair<std::string, std::string>> devices_in(const std::string& listing);

/// The device meant by `serial` (empty: the only one). Throws Error(machine) as AdbConnection() does.
std::string chosen_device(const std::vector<std::pair<std::string, std::string>>& devices, const std::string& serial);

}  // namespace tally::tools
