#include "tools/device/adb_connection.h"

#include <algorithm>
#include <sstream>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

std::string attached_device(const std::string& serial) {
  const Ended listing = run_process({"adb", "devices"}, {.seconds = 60});
  if (listing.code != 0) fail("adb devices", last_line(listing.err), "must list devices", ErrorCode::machine);
  return chosen_device(devices_in(listing.out), serial);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> devices_in(const std::string& listing) {
  std::vector<std::pair<std::string, std::string>> devices;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line);) {
    while (line.ends_with('\r')) line.pop_back();
    const size_t tab = line.find('\t');  // lines without one are the heading, or what the starting server tells
    if (tab != std::string::npos && tab > 0) devices.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  return devices;
}

std::string chosen_device(const std::vector<std::pair<std::string, std::string>>& devices, const std::string& serial) {
  const std::string who = serial.empty() ? "adb" : "device '" + serial + "'";
  std::string listed;
  for (const auto& [name, state] : devices) listed += (listed.empty() ? "" : ", ") + name + " (" + state + ")";
  const auto meant =
      std::find_if(devices.begin(), devices.end(), [&](const auto& d) { return serial.empty() || d.first == serial; });
  if (meant == devices.end())
    fail(who, devices.empty() ? "no device is attached" : "not among " + listed,
         "must be listed by 'adb devices': plugged in, with USB debugging on", ErrorCode::machine);
  if (serial.empty() && devices.size() > 1)
    fail(who, "several devices: " + listed, "must be told which: --adb SERIAL", ErrorCode::machine);
  if (meant->second == "unauthorized")
    fail("device '" + meant->first + "'", "is unauthorized",
         "must allow this computer: confirm the question on its screen", ErrorCode::machine);
  if (meant->second != "device")
    fail("device '" + meant->first + "'", "is " + meant->second, "must be ready (state 'device')", ErrorCode::machine);
  return meant->first;
}

AdbConnection::AdbConnection(const std::string& serial) : serial_(attached_device(serial)) {}

std::vector<std::string> AdbConnection::remote(const std::string& command) const {
  return {"adb", "-s", serial_, "shell", command};
}

std::vector<std::string> AdbConnection::copy(const std::filesystem::path& file, const std::string& to) const {
  std::error_code ignored;
  return {"adb", "-s", serial_, "push", std::filesystem::absolute(file, ignored).string(), to};
}

}  // namespace tally::tools
