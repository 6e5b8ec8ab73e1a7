#include "tally/platforms/conditions.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

namespace tally {

namespace {

constexpr const char* kVcgencmd[] = {"/usr/bin/vcgencmd", "/bin/vcgencmd", "/opt/vc/bin/vcgencmd"};

int64_t times_pushed_off() {
#if defined(RUSAGE_THREAD)
  rusage usage{};
  if (getrusage(RUSAGE_THREAD, &usage) == 0) return usage.ru_nivcsw;
#endif
  return 0;
}

/// The firmware's word, hexadecimal with or without 0x: a file of its driver, else what vcgencmd prints.
std::optional<uint32_t> pi_flags(const SystemFiles& files) {
  std::optional<std::string> text = files.line("/sys/devices/platform/soc/soc:firmware/get_throttled");
  for (const char* program : kVcgencmd)
    if (!text) text = files.output_of(program, "get_throttled");
  if (!text) return std::nullopt;
  const std::string word = text->substr(text->find('=') + 1);  // find() may be npos: the whole
  char* end = nullptr;
  const unsigned long value = std::strtoul(word.c_str(), &end, 16);
  if (end == word.c_str()) return std::nullopt;
  return static_cast<uint32_t>(value);
}

/// thermal_throttle of the x86 kernel.
std::optional<int64_t> throttle_events(const SystemFiles& files, const std::string& cpu) {
  const std::optional<int64_t> core = files.number(cpu + "/thermal_throttle/core_throttle_count");
  const std::optional<int64_t> package = files.number(cpu + "/thermal_throttle/package_throttle_count");
  if (!core && !package) return std::nullopt;
  return core.value_or(0) + package.value_or(0);
}

/// Cooling devices that lower the clock of CPUs: the kernel calls them "thermal-cpufreq-0", "cpufreq-cpu4",
/// "Processor".
std::vector<std::string> active_cooling(const SystemFiles& files) {
  const std::string folder = "/sys/class/thermal/";
  std::vector<std::string> active;
  for (const std::string& device : files.entries(folder)) {
    if (device.compare(0, 14, "cooling_device") != 0) continue;
    const std::string type = files.line(folder + device + "/type").value_or("");
    if (type.find("cpufreq") == std::string::npos && type != "Processor") continue;
    const int64_t state = files.number(folder + device + "/cur_state").value_or(0);
    if (state > 0)
      active.push_back(type + " at " + std::to_string(state) + " of " +
                       files.line(folder + device + "/max_state").value_or("?"));
  }
  return active;
}

std::optional<double> hottest(const SystemFiles& files) {
  const std::string folder = "/sys/class/thermal/";
  std::optional<double> most;
  for (const std::string& zone : files.entries(folder)) {
    if (zone.compare(0, 12, "thermal_zone") != 0) continue;
    const std::optional<int64_t> millidegrees = files.number(folder + zone + "/temp");
    if (!millidegrees || *millidegrees <= 0 || *millidegrees > 150'000) continue;  // sensors that are off
    most = std::max(most.value_or(0), static_cast<double>(*millidegrees) * 1e-3);
  }
  return most;
}

std::optional<bool> boost(const SystemFiles& files) {
  const std::string folder = "/sys/devices/system/cpu/";
  if (const auto no_turbo = files.number(folder + "intel_pstate/no_turbo")) return *no_turbo == 0;
  if (const auto boost = files.number(folder + "cpufreq/boost")) return *boost != 0;
  return std::nullopt;
}

std::string folder_of(int cpu) { return "/sys/devices/system/cpu/cpu" + std::to_string(std::max(cpu, 0)); }

}  // namespace

std::optional<double> load_average(const SystemFiles& files) {
  const std::optional<std::string> line = files.line("/proc/loadavg");
  if (!line || line->empty()) return std::nullopt;
  char* end = nullptr;
  const double load = std::strtod(line->c_str(), &end);
  return end == line->c_str() ? std::nullopt : std::optional(load);
}

std::optional<std::string> governor_of(const SystemFiles& files, int cpu) {
  return files.line(folder_of(cpu) + "/cpufreq/scaling_governor");
}

Conditions read_conditions(const SystemFiles& files, int cpu) {
  Conditions c;
  c.cpu = cpu;
  const std::string folder = folder_of(cpu);
  c.governor = governor_of(files, cpu);
  c.khz = files.number(folder + "/cpufreq/scaling_cur_freq");
  c.min_khz = files.number(folder + "/cpufreq/scaling_min_freq");
  c.max_khz = files.number(folder + "/cpufreq/scaling_max_freq");
  c.hardware_max_khz = files.number(folder + "/cpufreq/cpuinfo_max_freq");
  c.boost = boost(files);
  c.throttle_events = throttle_events(files, folder);
  c.pi_flags = pi_flags(files);
  c.cooling = active_cooling(files);
  c.celsius = hottest(files);
  c.load = load_average(files);
  if (cpu >= 0) c.siblings = smt_siblings(files, cpu);
  c.times = cpu_times(files);
  c.pushed_off = times_pushed_off();
  return c;
}

std::vector<std::string> pi_throttling(uint32_t flags, bool since_start) {
  constexpr const char* kWords[] = {"under-voltage", "clock capped", "throttled", "soft temperature limit"};
  std::vector<std::string> words;
  for (int bit = 0; bit < 4; ++bit)
    if (flags >> (since_start ? bit + 16 : bit) & 1) words.emplace_back(kWords[bit]);
  return words;
}

std::optional<double> stolen_share(const Conditions& before, const Conditions& after) {
  const auto first = before.times.find(before.cpu), last = after.times.find(before.cpu);
  if (first == before.times.end() || last == after.times.end()) return std::nullopt;
  const int64_t stolen = last->second.stolen - first->second.stolen;
  const int64_t all = stolen + last->second.busy - first->second.busy + last->second.idle - first->second.idle;
  return all > 0 ? static_cast<double>(stolen) / static_cast<double>(all) : 0.0;
}

std::optional<double> sibling_share(const Conditions& before, const Conditions& after) {
  std::optional<double> most;
  for (const int sibling : before.siblings) {
    const auto first = before.times.find(sibling), last = after.times.find(sibling);
    if (first != before.times.end() && last != after.times.end())
      most = std::max(most.value_or(0), busy_share(first->second, last->second));
  }
  return most;
}

}  // namespace tally
