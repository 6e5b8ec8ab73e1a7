#include "tools/machine.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

#include "tally/build_info.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/cpu.h"
#include "tally/platforms/topology.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string_view kind_name(CacheKind kind) {
  switch (kind) {
    case CacheKind::data:
      return "data";
    case CacheKind::instruction:
      return "instruction";
    case CacheKind::unified:
      break;
  }
  return "unified";
}

ordered_json caches_json() {
  ordered_json list = ordered_json::array();
  for (const Cache& cache : topology().caches) {
    ordered_json item{{"level", cache.level}, {"kind", kind_name(cache.kind)}, {"bytes", cache.bytes}};
    item["line_bytes"] = cache.line_bytes;
    item["shared_by"] = cache.shared_by > 0 ? ordered_json(cache.shared_by) : ordered_json();
    list.push_back(std::move(item));
  }
  return list;
}

ordered_json build_json() {
  return {{"compiler", build_info::kCompiler},
          {"build_type", build_info::kBuildType},
          {"flags", build_info::kFlags},
          {"revision", build_info::kRevision}};
}

ordered_json isa_list(bool only_usable) {
  ordered_json list = ordered_json::array();
  for (const Isa isa : built_isas())
    if (!only_usable || usable(isa)) list.push_back(name_of(isa));
  return list;
}

}  // namespace

std::string cpu_name() {
  if (!cpu().model.empty()) return cpu().model;
  utsname system{};
  return uname(&system) == 0 ? std::string(system.machine) + " CPU" : "unnamed CPU";
}

ordered_json machine_json(std::optional<Isa> isa) {
  const Topology& t = topology();
  ordered_json machine;
  ordered_json missing = ordered_json::object();
  machine["cpu"] = cpu_name();
  utsname system{};
  if (uname(&system) == 0) {
    machine["architecture"] = system.machine;
    machine["system"] = fmt::format("{} {}", system.sysname, system.release);
  }
  machine["isa"] = isa ? ordered_json(name_of(*isa)) : ordered_json();
  if (!isa) missing["isa"] = "nothing was executed";
  machine["isas_built"] = isa_list(false);
  machine["isas_usable"] = isa_list(true);
  machine["logical_cpus"] = t.logical_cpus;
  machine["allowed_cpus"] = t.allowed_cpus;
  machine["physical_cores"] = t.physical_cores > 0 ? ordered_json(t.physical_cores) : ordered_json();
  if (t.physical_cores == 0) missing["physical_cores"] = "the system does not tell";
  machine["caches"] = caches_json();
  if (t.caches.empty()) missing["caches"] = "neither sysfs nor cpuid tells";
  machine["clock"] = tick_source();
  machine["governor"] = governor().empty() ? ordered_json() : ordered_json(governor());
  if (governor().empty()) missing["governor"] = "no cpufreq in /sys";
  machine["load_average"] = load_average() ? ordered_json(*load_average()) : ordered_json();
  if (!load_average()) missing["load_average"] = "the system does not tell";
  machine.update(build_json());
  if (!missing.empty()) machine["missing"] = std::move(missing);
  return machine;
}

std::string counters_missing() {
#if defined(__linux__)
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_HW_CPU_CYCLES;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  const long descriptor = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0UL);
  if (descriptor >= 0) {
    close(static_cast<int>(descriptor));
    return "";
  }
  const int error = errno;
  const std::string paranoid = first_line("/proc/sys/kernel/perf_event_paranoid");
  std::string hint;
  if (error == ENOENT) hint = "; as in most virtual machines";
  if ((error == EACCES || error == EPERM) && !paranoid.empty()) hint = "; kernel.perf_event_paranoid is " + paranoid;
  return fmt::format("perf_event_open: {}{}", std::strerror(error), hint);
#else
  return "no perf_event_open on this system";
#endif
}

std::string cycles_missing() {
  const std::string why = counters_missing();
  return why.empty() ? "hardware counters are not read by this version" : "no hardware counters (" + why + ")";
}

std::string energy_missing() {
  return energy_sources().empty() ? "no energy source on this machine" : "energy is not read by this version";
}

std::vector<std::string> energy_sources() {
  std::vector<std::string> found;
  const auto look = [&](const std::string& folder, const std::string& file) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      const std::filesystem::path candidate = entry.path() / file;
      if (std::ifstream(candidate).good()) found.push_back(candidate.string());
    }
  };
  look("/sys/class/powercap", "energy_uj");
  look("/sys/class/hwmon", "energy1_input");
  look("/sys/class/hwmon", "power1_input");
  return found;
}

std::string governor() { return first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); }

std::optional<double> load_average() {
  double load = 0;
  if (getloadavg(&load, 1) != 1) return std::nullopt;
  return load;
}

std::string version_text() {
  const std::string revision = *build_info::kRevision != '\0' ? fmt::format(" ({})", build_info::kRevision) : "";
  std::string built, usable_here;
  for (const Isa isa : built_isas()) {
    built += " " + std::string(name_of(isa));
    if (usable(isa)) usable_here += " " + std::string(name_of(isa));
  }
  return fmt::format(
      "tally {}{}\ncompiler   {}, {} build for {}\nflags      {}\nISAs      {} (usable here:{})\n.gz files  {}\n",
      build_info::kVersion, revision, build_info::kCompiler, build_info::kBuildType, build_info::kSystem,
      build_info::kFlags, built, usable_here,
#if defined(TALLY_HAS_ZLIB)
      "read"
#else
      "not read (built without zlib)"
#endif
  );
}

}  // namespace tally::tools
