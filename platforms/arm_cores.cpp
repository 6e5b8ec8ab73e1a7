#include "tally/platforms/arm_cores.h"

#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace tally {
namespace {

struct Core {
  uint16_t part;
  std::string_view name;
};

/// Part numbers of the cores' technical reference manuals (MIDR_EL1, or MIDR of 32-bit cores): embedded boards, phones,
/// servers whose cores those of boards are like.
constexpr Core kCores[] = {
    {0xc07, "Cortex-A7"},   {0xc08, "Cortex-A8"},   {0xc09, "Cortex-A9"},   {0xc0f, "Cortex-A15"},
    {0xd01, "Cortex-A32"},  {0xd03, "Cortex-A53"},  {0xd04, "Cortex-A35"},  {0xd05, "Cortex-A55"},
    {0xd07, "Cortex-A57"},  {0xd08, "Cortex-A72"},  {0xd09, "Cortex-A73"},  {0xd0a, "Cortex-A75"},
    {0xd0b, "Cortex-A76"},  {0xd0c, "Neoverse-N1"}, {0xd0d, "Cortex-A77"},  {0xd40, "Neoverse-V1"},
    {0xd41, "Cortex-A78"},  {0xd44, "Cortex-X1"},   {0xd46, "Cortex-A510"}, {0xd47, "Cortex-A710"},
    {0xd48, "Cortex-X2"},   {0xd49, "Neoverse-N2"}, {0xd4d, "Cortex-A715"}, {0xd4e, "Cortex-X3"},
    {0xd4f, "Neoverse-V2"}, {0xd80, "Cortex-A520"}, {0xd81, "Cortex-A720"}, {0xd82, "Cortex-X4"},
};

}  // namespace

std::string_view arm_core_name(uint64_t midr) {
  if ((midr >> 24 & 0xff) != 0x41) return {};
  for (const Core& core : kCores) {
    if (core.part == (midr >> 4 & 0xfff)) return core.name;
  }
  return {};
}

std::optional<uint64_t> midr_here() {
#if defined(__linux__) && defined(__aarch64__)
  constexpr unsigned long kIdRegisters = 1ul << 11;  // HWCAP_CPUID: the kernel answers reads of ID registers
  if (getauxval(AT_HWCAP) & kIdRegisters) {
    uint64_t midr;
    asm("mrs %0, midr_el1" : "=r"(midr));
    return midr;
  }
#endif
  return std::nullopt;
}

}  // namespace tally
