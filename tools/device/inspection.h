#pragma once
// What a device says of itself, before and after a run.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"

namespace tally::tools {

/// The clock of cores that share one.
struct ClockPolicy {
  std::string name, governor;                     ///< "policy0", "schedutil"
  std::optional<int64_t> khz, max_khz, core_khz;  ///< now; the limit set; the core's own
};

/// Nothing here is trusted; what the device does not tell is empty.
struct Inspection {
  std::string machine, release;  ///< uname: "aarch64", "6.6.31+rpt-rpi-v8"
  std::string hardware, system;  ///< "Raspberry Pi 4 Model B Rev 1.4"; "Debian GNU/Linux 12 (bookworm)", "Android 14"
  std::optional<int64_t> user_bits, cpus, memory_kb, free_memory_kb, free_disk_kb;
  std::vector<ClockPolicy> clocks;
  std::optional<double> celsius;                 ///< hottest zone
  std::vector<std::string> cooling;              ///< devices that hold clocks down now
  std::optional<uint32_t> pi_flags;              ///< Raspberry Pi: the firmware's get_throttled
  std::optional<double> load;                    ///< threads that wanted to run, mean of a minute
  std::optional<int64_t> paranoid, user_access;  ///< kernel.perf_event_paranoid, kernel.perf_user_access
  std::string perf_harden;                       ///< Android: security.perf_harden
  std::string seconds;                           ///< the device's clock, UTC: "20250131T235959Z"
};

/// A script that tells all of it in lines "key value"; `folder`: a word of the device's shell, whose disk is meant.
std::string inspection_script(const std::string& folder);
/// What the script wrote.
Inspection inspection_of(const std::string& output);

/// Lines "what: found" for a table.
std::vector<std::pair<std::string, std::string>> inspection_lines(const Inspection& found);
/// Why times may not come out the same again, as clauses.
std::vector<std::string> unfit_device(const Inspection& found);
/// The state that changes during a run, in "missing" what was not told.
nlohmann::ordered_json device_state_json(const Inspection& found);
/// What the device is, in "missing" what was not told.
nlohmann::ordered_json device_json(const Inspection& found);

}  // namespace tally::tools
