#include "tools/machine/machine_state.h"

#include <algorithm>
#include <map>

#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tally/platforms/core_clock.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

std::string counters_text(const MachineState& state) {
  std::string counted;
  std::map<std::string, std::string> missing;  // reason → events
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const std::string name(name_of(static_cast<PerfEvent>(e)));
    std::string& names = state.counter_missing[e].empty() ? counted : missing[state.counter_missing[e]];
    names += (names.empty() ? "" : ", ") + name;
  }
  std::string text = counted;
  if (!counted.empty()) text += state.reads_directly ? " (read by an instruction)" : " (read by a system call)";
  for (const auto& [reason, names] : missing)
    text += counted.empty() && missing.size() == 1
                ? "n/a: " + reason
                : formatted("{}{}: n/a: {}", text.empty() ? "" : "; ", names, reason);
  return text;
}

std::string energy_text(const MachineState& state) {
  if (!state.energy_missing.empty()) return "n/a: " + state.energy_missing;
  std::string text;
  for (const EnergySource& source : state.energy)
    text += formatted("{}{} {} ({}){}", text.empty() ? "" : ", ", name_of(source.kind), source.name, source.file,
                      source.obstacle.empty() ? "" : ", n/a: " + source.obstacle);
  return text;
}

std::string clock_text(const MachineState& state) {
  const Conditions& c = state.conditions;
  std::string text = state.core_mhz > 0
                         ? formatted("{} MHz (estimated: dependent additions)", with_thousands(state.core_mhz, 0))
                         : "n/a: no loop of known latency";
  text +=
      state.cpufreq_mhz > 0 ? formatted("; {} MHz (cpufreq)", with_thousands(state.cpufreq_mhz, 0)) : "; cpufreq: n/a";
  if (c.min_khz && c.max_khz) text += formatted("; limits {} to {} MHz", *c.min_khz / 1000, *c.max_khz / 1000);
  if (c.boost) text += *c.boost ? "; boost on" : "; boost off";
  return text;
}

std::string clusters_text(const Topology& topology) {
  std::string text;
  for (const Cluster& cluster : topology.clusters)
    text += formatted("{}{}CPUs {}{}{}", text.empty() ? "" : "; ", cluster.name.empty() ? "" : cluster.name + " on ",
                        joined(cluster.cpus, ","),
                        cluster.capacity > 0 ? formatted(" of capacity {}", cluster.capacity) : "",
                        cluster.max_khz > 0 ? formatted(" up to {} MHz", cluster.max_khz / 1000) : "");
  return text;
}

std::string throttling_text(const Conditions& c) {
  std::vector<std::string> facts;
  if (c.throttle_events) facts.push_back(formatted("{} events since start", *c.throttle_events));
  if (c.pi_flags) {
    const auto now = pi_throttling(*c.pi_flags, false), ever = pi_throttling(*c.pi_flags, true);
    facts.push_back("firmware now: " + (now.empty() ? "nothing" : joined(now, ", ")) +
                    ", since start: " + (ever.empty() ? "nothing" : joined(ever, ", ")));
  }
  for (const std::string& device : c.cooling) facts.push_back("cooling " + device);
  if (c.celsius) facts.push_back(formatted("{:.0f} °C", *c.celsius));
  return facts.empty() ? "n/a: the system does not tell" : joined(facts, "; ");
}

}  // namespace

MachineState read_machine_state(const SystemFiles& files, PerfCalls& calls, const Topology& topology, int cpu,
                                double mhz) {
  MachineState state;
  state.topology = topology;
  PerfGroup group(calls);
  group.open(perf_setup(files, cpu));
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const auto event = static_cast<PerfEvent>(e);
    if (!group.counts(event)) state.counter_missing[e] = perf_obstacle(group.error(event), files);
  }
  state.reads_directly = group.reads_directly();
  state.energy = energy_sources(files);
  const EnergyMeter meter(files, state.energy);
  state.energy_missing = meter.missing();
  state.energy_source = meter.source();
  state.conditions = read_conditions(files, cpu);
  state.core_mhz = mhz;
  state.cpufreq_mhz = cpufreq_mhz(files, std::max(cpu, 0));
  state.unfit = unfit_reasons(state.conditions, state.conditions, {}, state.topology);
  return state;
}

std::vector<std::pair<std::string, std::string>> state_lines(const MachineState& state) {
  const Conditions& c = state.conditions;
  std::vector<std::pair<std::string, std::string>> lines;
  if (state.topology.clusters.size() > 1) lines.emplace_back("clusters", clusters_text(state.topology));
  lines.emplace_back("timer", formatted("{}, {:.3f} ticks a ns", tick_source(), ticks_per_ns()));
  lines.emplace_back("core clock", clock_text(state));
  lines.emplace_back("governor", c.governor ? *c.governor : "n/a: no cpufreq in /sys");
  lines.emplace_back("throttling", throttling_text(c));
  lines.emplace_back("load average", c.load ? formatted("{:.2f}", *c.load) : "n/a: no /proc/loadavg");
  lines.emplace_back("counters", counters_text(state));
  lines.emplace_back("energy", energy_text(state));
  lines.emplace_back("fit to measure", state.unfit.empty() ? std::string("nothing speaks against it")
                                                           : formatted("no: {}", joined(state.unfit, "; ")));
  return lines;
}

ordered_json state_json(const MachineState& state) {
  const Conditions& c = state.conditions;
  ordered_json missing = ordered_json::object();
  const auto value = [&](const auto& found, const char* name, const char* reason) {
    if (found) return ordered_json(*found);
    missing[name] = reason;
    return ordered_json();
  };
  ordered_json json, events = ordered_json::object();
  bool usable = true;
  std::string first;
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const std::string& reason = state.counter_missing[e];
    events[std::string(name_of(static_cast<PerfEvent>(e)))] = {
        {"usable", reason.empty()}, {"reason", reason.empty() ? ordered_json() : ordered_json(reason)}};
    if (e < 2) usable = usable && reason.empty();  // cycles and instructions
    if (first.empty()) first = reason;
  }
  json["counters"] = {
      {"usable", usable},
      {"reason", usable ? ordered_json() : ordered_json(first)},
      {"read_by", usable ? ordered_json(state.reads_directly ? "instruction" : "system call") : ordered_json()},
      {"events", std::move(events)}};
  ordered_json sources = ordered_json::array();
  for (const EnergySource& source : state.energy)
    sources.push_back({{"source", name_of(source.kind)},
                       {"name", source.name},
                       {"file", source.file},
                       {"usable", source.obstacle.empty()},
                       {"reason", source.obstacle.empty() ? ordered_json() : ordered_json(source.obstacle)}});
  json["energy_sources"] = std::move(sources);
  json["energy_source"] = state.energy_source.empty() ? ordered_json() : ordered_json(state.energy_source);
  if (state.energy_source.empty()) missing["energy_source"] = state.energy_missing;
  json["core_mhz"] = state.core_mhz > 0 ? ordered_json(state.core_mhz) : ordered_json();
  json["core_mhz_source"] = state.core_mhz > 0 ? ordered_json("estimated") : ordered_json();
  if (state.core_mhz <= 0) missing["core_mhz"] = missing["core_mhz_source"] = "no loop of known latency";
  json["cpufreq_mhz"] = state.cpufreq_mhz > 0 ? ordered_json(state.cpufreq_mhz) : ordered_json();
  if (state.cpufreq_mhz <= 0) missing["cpufreq_mhz"] = "no cpufreq in /sys";
  json["min_khz"] = value(c.min_khz, "min_khz", "no cpufreq in /sys");
  json["max_khz"] = value(c.max_khz, "max_khz", "no cpufreq in /sys");
  json["boost"] = value(c.boost, "boost", "the system does not tell");
  json["throttle_events"] = value(c.throttle_events, "throttle_events", "no thermal_throttle in /sys");
  json["pi_flags"] = value(c.pi_flags, "pi_flags", "no Raspberry Pi firmware");
  json["cooling"] = c.cooling;
  json["celsius"] = value(c.celsius, "celsius", "no thermal zone in /sys");
  ordered_json clusters = ordered_json::array();
  for (const Cluster& cluster : state.topology.clusters)
    clusters.push_back(
        {{"name", cluster.name}, {"cpus", cluster.cpus}, {"capacity", cluster.capacity}, {"max_khz", cluster.max_khz}});
  json["clusters"] = std::move(clusters);
  json["unfit"] = state.unfit;
  json["missing"] = std::move(missing);
  return json;
}

}  // namespace tally::tools
