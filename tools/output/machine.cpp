#include "tools/output/machine.h"

#include <sys/utsname.h>

#include "nlohmann/json.hpp"
#include "tally/build_info.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/conditions.h"
#include "tally/platforms/cpu.h"
#include "tally/platforms/topology.h"

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

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
    machine["system"] = formatted("{} {}", system.sysname, system.release);
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
  const std::optional<std::string> governor = governor_of(system_files(), 0);
  machine["governor"] = governor ? ordered_json(*governor) : ordered_json();
  if (!governor) missing["governor"] = "no cpufreq in /sys";
  const std::optional<double> load = load_average(system_files());
  machine["load_average"] = load ? ordered_json(*load) : ordered_json();
  if (!load) missing["load_average"] = "no /proc/loadavg";
  machine.update(build_json());
  if (!missing.empty()) machine["missing"] = std::move(missing);
  return machine;
}

std::string version_text() {
  const std::string revision = *build_info::kRevision != '\0' ? formatted(" ({})", build_info::kRevision) : "";
  std::string built, usable_here;
  for (const Isa isa : built_isas()) {
    built += " " + std::string(name_of(isa));
    if (usable(isa)) usable_here += " " + std::string(name_of(isa));
  }
  return formatted(
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
