#pragma once
// What `info` tells of counters, clocks, energy and the state of a machine.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "tally/platforms/conditions.h"
#include "tally/platforms/energy.h"
#include "tally/platforms/perf.h"

namespace tally::tools {

/// What can be measured on a machine, found by trying.
struct MachineState {
  std::array<std::string, kPerfEvents> counter_missing{};  ///< by event: why it cannot be counted; empty: it can
  bool reads_directly = false;                             ///< counters by an instruction
  std::vector<EnergySource> energy;
  std::string energy_missing;  ///< empty: there is a usable source
  std::string energy_source;   ///< the usable one's kind
  Conditions conditions;
  double core_mhz = 0, cpufreq_mhz = 0;  ///< 0: unknown
  Topology topology;
  std::vector<std::string> unfit;  ///< by what is known before any measurement
};

/// `topology`: of this process; `cpu`: on which the calling thread is held, −1: none; `mhz`: of that core, 0: unknown.
MachineState read_machine_state(const SystemFiles& files, PerfCalls& calls, const Topology& topology, int cpu,
                                double mhz);

/// Lines "what: found" for a table.
std::vector<std::pair<std::string, std::string>> state_lines(const MachineState& state);

/// {"counters", "energy", "clock", "state"}, and in "missing" why what is null.
nlohmann::ordered_json state_json(const MachineState& state);

}  // namespace tally::tools
