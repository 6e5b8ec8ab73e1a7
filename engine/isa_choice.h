#pragma once
#include <optional>
#include <string>

#include "tally/platforms/isa.h"

namespace tally {

/// The instruction set of this name, which this machine can run. `who` asks (--isa, TALLY_ISA). Throws Error(usage) on
/// a name that no instruction set has, Error(machine) on one that is not in this build or not on this machine.
Isa named_isa(const std::string& who, const std::string& name);

/// The instruction set asked for by the caller, by TALLY_ISA, or the best one. Throws as named_isa.
Isa choose_isa(const std::optional<Isa>& asked);

}  // namespace tally
