#include "tally/platforms/cpu.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>

#include "tally/platforms/arm_cores.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__) && (defined(__aarch64__) || defined(__arm__))
#include <sys/auxv.h>
#endif

namespace tally {
namespace {

[[maybe_unused]] std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0' || text.back() == '\n')) text.pop_back();
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? std::string() : text.substr(first);
}

#if defined(__x86_64__)

struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf leaf(uint32_t number, uint32_t sub = 0) {
  Leaf l;
  if (uint32_t(__get_cpuid_max(number & 0x80000000u, nullptr)) >= number)
    __cpuid_count(number, sub, l.eax, l.ebx, l.ecx, l.edx);
  return l;
}

/// The register states that the operating system saves (XCR0); 0 where it does not say.
uint64_t saved_states() {
  if (!(leaf(1).ecx >> 27 & 1)) return 0;  // OSXSAVE
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

void read_features(Cpu& cpu) {
  const Leaf one = leaf(1), seven = leaf(7), seven_one = seven.eax >= 1 ? leaf(7, 1) : Leaf{};
  const uint64_t saved = saved_states();
  const bool ymm = (saved & 0x06) == 0x06;  // xmm and the upper halves of ymm
  const bool zmm = (saved & 0xe6) == 0xe6;  // and opmask, upper zmm, zmm16–31
  struct Bit {
    std::string_view name;
    uint32_t word;
    int bit;
    bool enabled;
  };
  // clang-format off
  const Bit bits[] = {
      {"sse2", one.edx, 26, true},           {"sse3", one.ecx, 0, true},
      {"ssse3", one.ecx, 9, true},           {"sse4.1", one.ecx, 19, true},
      {"sse4.2", one.ecx, 20, true},         {"avx", one.ecx, 28, ymm},
      {"fma", one.ecx, 12, ymm},             {"f16c", one.ecx, 29, ymm},
      {"avx2", seven.ebx, 5, ymm},           {"bmi2", seven.ebx, 8, true},
      {"avxvnni", seven_one.eax, 4, ymm},    {"avx512f", seven.ebx, 16, zmm},
      {"avx512dq", seven.ebx, 17, zmm},      {"avx512bw", seven.ebx, 30, zmm},
      {"avx512vl", seven.ebx, 31, zmm},      {"avx512vnni", seven.ecx, 11, zmm},
      {"avx512bf16", seven_one.eax, 5, zmm}, {"avx512fp16", seven.edx, 23, zmm},
  };
  // clang-format on
  for (const Bit& b : bits) {
    if (b.enabled && (b.word >> b.bit & 1)) cpu.features.push_back(b.name);
  }
  cpu.invariant_tsc = leaf(0x80000007).edx >> 8 & 1;
}

void read_model(Cpu& cpu) {
  char brand[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Leaf l = leaf(0x80000002 + i);
    std::memcpy(brand + 16 * i, &l, 16);
  }
  cpu.model = trimmed(brand);
  if (!cpu.model.empty()) cpu.source = "cpuid";
}

#else

void read_features([[maybe_unused]] Cpu& cpu) {
#if defined(__linux__) && (defined(__aarch64__) || defined(__arm__))
  struct Bit {
    std::string_view name;
    unsigned long word;
    int bit;
  };
  const unsigned long hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
#if defined(__aarch64__)
  // Bits of the Linux ABI, Documentation/arch/arm64/elf_hwcaps.rst.
  const Bit bits[] = {{"neon", hwcap, 1},     {"fp16", hwcap, 10}, {"dotprod", hwcap, 20}, {"sve", hwcap, 22},
                      {"fp16fml", hwcap, 23}, {"sve2", hwcap2, 1}, {"i8mm", hwcap2, 13},   {"bf16", hwcap2, 14}};
#else
  const Bit bits[] = {{"neon", hwcap, 12}, {"vfpv4", hwcap, 16}};
#endif
  for (const Bit& b : bits) {
    if (b.word >> b.bit & 1) cpu.features.push_back(b.name);
  }
  (void)hwcap2;
#if defined(__arm__)
  if (cpu.has("neon") && cpu.has("vfpv4")) cpu.features.push_back("neon-vfpv4");
#endif
#endif
}

/// The text after `key` and a colon in /proc/cpuinfo, its first occurrence.
std::string cpuinfo(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    if (colon != std::string::npos) return trimmed(line.substr(colon + 1));
  }
  return {};
}

/// The Main ID Register's value from /proc/cpuinfo's "0x41" and "0xd08".
std::string cpuinfo_core() {
  const uint64_t implementer = std::strtoull(cpuinfo("CPU implementer").c_str(), nullptr, 16);
  const uint64_t part = std::strtoull(cpuinfo("CPU part").c_str(), nullptr, 16);
  return std::string(arm_core_name((implementer & 0xff) << 24 | (part & 0xfff) << 4));
}

void read_model(Cpu& cpu) {
  cpu.model = arm_core_name(midr_here().value_or(0));
  if (!cpu.model.empty()) {
    cpu.source = "midr_el1";
    return;
  }
  cpu.model = cpuinfo_core();
  if (cpu.model.empty()) cpu.model = cpuinfo("model name");
  if (!cpu.model.empty()) {
    cpu.source = "/proc/cpuinfo";
    return;
  }
  std::ifstream file("/proc/device-tree/model");
  std::getline(file, cpu.model);
  cpu.model = trimmed(cpu.model);
  if (!cpu.model.empty()) cpu.source = "device tree";
}

#endif

}  // namespace

bool Cpu::has(std::string_view feature) const {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

const Cpu& cpu() {
  static const Cpu found = [] {
    Cpu c;
    read_features(c);
    read_model(c);
    return c;
  }();
  return found;
}

}  // namespace tally
