#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace tally {

/// "Cortex-A72" of a Main ID Register's value (implementer in bits 31 to 24, part number in bits 15 to 4); empty for
/// cores that are not Arm's own design, and for those not listed.
std::string_view arm_core_name(uint64_t midr);

/// The Main ID Register of the core that this runs on, where the kernel lets programs read it (64-bit ARM with
/// HWCAP_CPUID, Linux 4.11 and newer).
std::optional<uint64_t> midr_here();

}  // namespace tally
