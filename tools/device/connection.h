#pragma once
// The way to a device: scripts for its shell, and files.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tools/device/process.h"
#include "tools/device/script.h"

namespace tally::tools {

/// How a device is reached. Everything on it is done by `sh` reading a script from its standard input: what login shell
/// the user has there does not matter, and no name becomes part of a command line.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual std::string transport() const = 0;       ///< "ssh", "adb"
  virtual std::string address() const = 0;         ///< as its user names it
  virtual std::string default_folder() const = 0;  ///< where temporary folders go; a word of the device's shell

  struct Patience {
    double seconds = 60;
    std::function<void()> waiting = {};
    bool heeds_interrupts = true;
  };
  /// Runs a script on the device. Throws Error(machine) where the device is not reached, or the connection is lost
  /// before the script has ended.
  Answer ask(const std::string& script, const Patience& patience) const;

  /// Copies a file to the device; `to` is a plain_path(). `progress`: called with the bytes that are on their way,
  /// where that is known. Throws Error(machine) where that fails.
  void put(const std::filesystem::path& file, const std::string& to,
           const std::function<void(uint64_t)>& progress) const;

 protected:
  /// The local command that runs `command` (constant words and plain paths) on the device.
  virtual std::vector<std::string> remote(const std::string& command) const = 0;
  /// The local command that copies a file by its name; empty where remote("cat >to") does it.
  virtual std::vector<std::string> copy(const std::filesystem::path& file, const std::string& to) const = 0;
};

/// The last line of what a program told on stderr, for an error; "no reason given" where it told nothing.
std::string last_line(const std::string& text);

}  // namespace tally::tools
