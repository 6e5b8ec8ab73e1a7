#pragma once
#include <optional>
#include <span>
#include <string_view>

namespace tally {

/// Every instruction set of list.inc, whether or not this build holds it. Order: worst to best within a family.
enum class Isa : int {
#define TALLY_ISA(name, family, base, flags) name,
#include "tally/platforms/isa/list.inc"
#undef TALLY_ISA
};

std::string_view name_of(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

/// True for the names of list.inc and of instruction sets that are yet to come: what may be asked for, though perhaps
/// in vain.
bool is_isa_name(std::string_view name);

/// ISAs compiled into this build, worst first.
std::span<const Isa> built_isas();

/// True if this build holds `isa` and the CPU and operating system can run it (cpuid and xgetbv; getauxval on ARM).
bool usable(Isa isa);

/// The best usable ISA of this build.
Isa best_isa();

}  // namespace tally
