#pragma once
// What machine and program a figure comes from.
#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tally/platforms/isa.h"

namespace tally::tools {

/// The "machine" object of a document. `isa`: what runs, or nothing where nothing does.
nlohmann::ordered_json machine_json(std::optional<Isa> isa);

/// "AMD EPYC 9B14", or the architecture where the CPU has no name.
std::string cpu_name();

/// Why hardware counters cannot be read here; empty where they can.
std::string counters_missing();

/// Why a document has no cycles, instructions and cache misses.
std::string cycles_missing();

/// Why a document has no energy.
std::string energy_missing();

/// Files from which energy could be read, one a line; empty: none.
std::vector<std::string> energy_sources();

/// Frequency governor of the first CPU; empty: unknown.
std::string governor();

/// Load average of the last minute; nothing where the system does not tell.
std::optional<double> load_average();

/// "tally 0.1.0 (1a2b3c)\n…": version, compiler, flags and instruction sets.
std::string version_text();

}  // namespace tally::tools
