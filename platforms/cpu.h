#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tally {

/// What this CPU calls itself, and which instruction set extensions it has that the operating system also supports.
struct Cpu {
  std::string model;   ///< "AMD EPYC 7B13", "Cortex-A72"; empty where the system does not tell
  std::string source;  ///< where `model` comes from: "cpuid", "midr_el1", "/proc/cpuinfo", "device tree" or empty
  bool invariant_tsc = false;  ///< x86: the time stamp counter runs at one rate in every power state
  /// By the names of gcc's -m options and -march suffixes: "sse2", "avx2", "fma", "avx512f", "neon", "dotprod" …
  std::vector<std::string_view> features;

  bool has(std::string_view feature) const;
};

/// Asked once, at the first call. x86: cpuid, and xgetbv for the registers the system saves. ARM: getauxval.
const Cpu& cpu();

}  // namespace tally
