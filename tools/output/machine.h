#pragma once
// What machine and program a figure comes from.
#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "tally/platforms/isa.h"

namespace tally::tools {

/// The "machine" object of a document. `isa`: what runs, or nothing where nothing does.
nlohmann::ordered_json machine_json(std::optional<Isa> isa);

/// "AMD EPYC 9B14", or the architecture where the CPU has no name.
std::string cpu_name();

/// "tally 0.1.0 (1a2b3c)\n…": version, compiler, flags and instruction sets.
std::string version_text();

}  // namespace tally::tools
