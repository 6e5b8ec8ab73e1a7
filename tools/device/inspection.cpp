#include "tools/device/inspection.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "nlohmann/json.hpp"
#include "tally/platforms/conditions.h"
#include "tally/platforms/system_files.h"
#include "tools/input/decimal.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

constexpr size_t kMostLines = 64;  ///< of one kind that are believed

/// "policy0 schedutil,1500000,1800000,1800000"
ClockPolicy clock_in(const std::string& text) {
  const size_t blank = text.find(' ');
  std::istringstream fields(blank == std::string::npos ? "" : text.substr(blank + 1));
  std::vector<std::string> parts;
  for (std::string part; std::getline(fields, part, ',');) parts.push_back(part);
  parts.resize(4);
  return {text.substr(0, blank), parts[0], integer_in(parts[1]), integer_in(parts[2]), integer_in(parts[3])};
}

/// "throttled=0x50005"
std::optional<uint32_t> flags_in(const std::string& text) {
  const size_t start = text.find("0x");
  if (start == std::string::npos) return std::nullopt;
  uint32_t flags = 0;
  const char* first = text.data() + start + 2;
  const auto [stop, error] = std::from_chars(first, text.data() + text.size(), flags, 16);
  return error == std::errc() ? std::optional(flags) : std::nullopt;
}

/// Zones tell thousandths of a degree, some whole degrees; what no sensor can mean is left out.
void note_zone(Inspection& found, const std::string& text) {
  const std::optional<int64_t> number = integer_in(text);
  if (!number) return;
  const double celsius = *number > 1000 ? static_cast<double>(*number) / 1000 : static_cast<double>(*number);
  if (celsius > 0 && celsius < 200) found.celsius = std::max(found.celsius.value_or(0), celsius);
}

void note(Inspection& found, const std::string& key, const std::string& value) {
  const std::pair<const char*, std::string*> texts[] = {
      {"machine", &found.machine}, {"release", &found.release},         {"hardware", &found.hardware},
      {"system", &found.system},   {"perf_harden", &found.perf_harden}, {"seconds", &found.seconds}};
  for (const auto& [name, field] : texts)
    if (key == name) *field = printable(value);
  const std::pair<const char*, std::optional<int64_t>*> numbers[] = {
      {"user_bits", &found.user_bits},       {"cpus", &found.cpus},
      {"memory_kb", &found.memory_kb},       {"free_memory_kb", &found.free_memory_kb},
      {"free_disk_kb", &found.free_disk_kb}, {"paranoid", &found.paranoid},
      {"user_access", &found.user_access}};
  for (const auto& [name, field] : numbers)
    if (key == name) *field = integer_in(value);
  if (key == "load") found.load = decimal_in(value);
  if (key == "throttled") found.pi_flags = flags_in(value);
  if (key == "zone") note_zone(found, value);
  if (key == "clock" && found.clocks.size() < kMostLines) found.clocks.push_back(clock_in(printable(value)));
  if (key == "cooling" && found.cooling.size() < kMostLines) found.cooling.push_back(printable(value));
}

std::string mhz_text(const std::optional<int64_t>& khz) { return khz ? std::to_string(*khz / 1000) : "n/a"; }

std::string clock_text(const ClockPolicy& clock) {
  const std::string limit = clock.core_khz && clock.max_khz && *clock.max_khz < *clock.core_khz
                                ? formatted(", the core's own limit {}", mhz_text(clock.core_khz))
                                : "";
  return formatted("{} {}: {} of {} MHz{}", clock.name, clock.governor.empty() ? "n/a" : clock.governor,
                   mhz_text(clock.khz), mhz_text(clock.max_khz), limit);
}

std::string kilobytes_text(const std::optional<int64_t>& kb) {
  return kb ? bytes_text(static_cast<double>(*kb) * 1024) : "n/a";
}

std::string throttling_text(const Inspection& found) {
  std::vector<std::string> parts;
  if (found.pi_flags) {
    const auto now = pi_throttling(*found.pi_flags, false), before = pi_throttling(*found.pi_flags, true);
    parts.push_back(now.empty() ? "none now" : joined(now, ", "));
    if (!before.empty()) parts.push_back("since start: " + joined(before, ", "));
  }
  if (!found.cooling.empty()) parts.push_back(joined(found.cooling, ", "));
  return parts.empty() ? "none found" : joined(parts, "; ");
}

std::string counters_text(const Inspection& found) {
  std::string words = "perf_event_paranoid " + (found.paranoid ? std::to_string(*found.paranoid) : "n/a");
  if (found.user_access) words += formatted(", perf_user_access {}", *found.user_access);
  if (!found.perf_harden.empty()) words += ", security.perf_harden " + found.perf_harden;
  return words;
}

/// Sets `key`, or null and the reason.
template <class T>
void put(ordered_json& json, const char* key, const std::optional<T>& value) {
  json[key] = value ? ordered_json(*value) : ordered_json();
  if (!value) json["missing"][key] = "the device does not tell";
}

std::optional<std::string> told(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

/// "missing" last, and only where something is.
ordered_json with_missing_last(ordered_json json) {
  if (!json.contains("missing")) return json;
  ordered_json missing = std::move(json["missing"]);
  json.erase("missing");
  json["missing"] = std::move(missing);
  return json;
}

}  // namespace

Inspection inspection_of(const std::string& output) {
  Inspection found;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    while (line.ends_with('\r') || line.ends_with(' ')) line.pop_back();
    const size_t blank = line.find(' ');
    if (blank != std::string::npos) note(found, line.substr(0, blank), line.substr(blank + 1));
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> inspection_lines(const Inspection& found) {
  const auto or_na = [](const std::string& text) { return text.empty() ? "n/a" : text; };
  std::vector<std::string> clocks;
  for (const ClockPolicy& clock : found.clocks) clocks.push_back(clock_text(clock));
  const std::string bits =
      found.user_bits && *found.user_bits == 32 && found.machine == "aarch64" ? ", 32-bit user land" : "";
  return {{"hardware", or_na(found.hardware)},
          {"system", or_na(found.system) + ", kernel " + or_na(found.release)},
          {"architecture", or_na(found.machine) + bits},
          {"CPUs", found.cpus ? std::to_string(*found.cpus) : "n/a"},
          {"clock", clocks.empty() ? "n/a: no cpufreq in /sys" : joined(clocks, "; ")},
          {"temperature", found.celsius ? formatted("{:.1f} °C", *found.celsius) : "n/a: no thermal zone"},
          {"throttling", throttling_text(found)},
          {"load", found.load ? formatted("{:.2f}", *found.load) : "n/a"},
          {"memory", kilobytes_text(found.free_memory_kb) + " free of " + kilobytes_text(found.memory_kb)},
          {"disk", kilobytes_text(found.free_disk_kb) + " free"},
          {"counters", counters_text(found)}};
}

std::vector<std::string> unfit_device(const Inspection& found) {
  std::vector<std::string> reasons;
  const bool varies = std::any_of(found.clocks.begin(), found.clocks.end(), [](const ClockPolicy& clock) {
    return !clock.governor.empty() && clock.governor != "performance";
  });
  if (varies) reasons.push_back("governor " + found.clocks.front().governor);
  if (found.pi_flags)
    for (const std::string& flag : pi_throttling(*found.pi_flags, false)) reasons.push_back(flag);
  for (const std::string& device : found.cooling) reasons.push_back("cooling: " + device);
  const double cpus = static_cast<double>(found.cpus.value_or(1));
  if (found.load && *found.load > FitnessLimits::kLoadShare * cpus)
    reasons.push_back(formatted("load {:.2f} on {:.0f} CPUs", *found.load, cpus));
  return reasons;
}

ordered_json device_state_json(const Inspection& found) {
  ordered_json json = ordered_json::object();
  json["clocks"] = ordered_json::array();
  for (const ClockPolicy& clock : found.clocks) {
    ordered_json policy{{"name", clock.name}};
    put(policy, "governor", told(clock.governor));
    put(policy, "khz", clock.khz);
    put(policy, "max_khz", clock.max_khz);
    put(policy, "core_khz", clock.core_khz);
    json["clocks"].push_back(with_missing_last(std::move(policy)));
  }
  put(json, "celsius", found.celsius);
  json["cooling"] = found.cooling;
  put(json, "pi_throttled", found.pi_flags);
  put(json, "load_average", found.load);
  put(json, "free_memory_kb", found.free_memory_kb);
  put(json, "utc", told(found.seconds));
  return with_missing_last(std::move(json));
}

ordered_json device_json(const Inspection& found) {
  ordered_json json = ordered_json::object();
  put(json, "hardware", told(found.hardware));
  put(json, "system", told(found.system));
  put(json, "kernel", told(found.release));
  put(json, "architecture", told(found.machine));
  put(json, "user_bits", found.user_bits);
  put(json, "cpus", found.cpus);
  put(json, "memory_kb", found.memory_kb);
  put(json, "free_disk_kb", found.free_disk_kb);
  put(json, "perf_event_paranoid", found.paranoid);
  put(json, "perf_user_access", found.user_access);
  return with_missing_last(std::move(json));
}

}  // namespace tally::tools
