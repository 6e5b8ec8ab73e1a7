#include "tally/platforms/isa.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tally/platforms/cpu.h"
#include "tally/platforms/if_built.h"

namespace tally {
namespace {

struct Row {
  Isa isa;
  std::string_view name;
  std::string_view flags;
  bool built;
};

constexpr Row kRows[] = {
#define TALLY_ISA(name, family, base, flags) {Isa::name, #name, flags, TALLY_IF_BUILT(name, true ||) false},
#include "tally/platforms/isa/list.inc"
#undef TALLY_ISA
};

/// Instruction sets that have a name but no file in platforms/isa yet.
constexpr std::string_view kPlanned[] = {"avxvnni", "sve"};

/// True if the CPU has every extension that one compiler option allows the ISA's code to use: -m<extension>,
/// -mfpu=<extension>, -march=<architecture>+<extension>+…. Other -m<option>=<value> and all of -f, -D … allow none.
bool option_supported(std::string_view option) {
  if (option.starts_with("-mfpu=")) return cpu().has(option.substr(6));
  if (option.starts_with("-march=")) {
    for (size_t plus = option.find('+'); plus != std::string_view::npos;) {
      const size_t next = option.find('+', plus + 1);
      if (!cpu().has(option.substr(plus + 1, next - plus - 1))) return false;
      plus = next;
    }
    return true;
  }
  if (option.starts_with("-m") && option.find('=') == std::string_view::npos) return cpu().has(option.substr(2));
  return true;
}

bool flags_supported(std::string_view flags) {
  while (!flags.empty()) {
    const size_t space = std::min(flags.find(' '), flags.size());
    if (space > 0 && !option_supported(flags.substr(0, space))) return false;
    flags.remove_prefix(std::min(space + 1, flags.size()));
  }
  return true;
}

const Row& row(Isa isa) { return kRows[static_cast<size_t>(isa)]; }

}  // namespace

std::string_view name_of(Isa isa) { return row(isa).name; }

std::optional<Isa> isa_from_name(std::string_view name) {
  for (const Row& r : kRows) {
    if (r.name == name) return r.isa;
  }
  return std::nullopt;
}

bool is_isa_name(std::string_view name) {
  return isa_from_name(name) || std::find(std::begin(kPlanned), std::end(kPlanned), name) != std::end(kPlanned);
}

std::span<const Isa> built_isas() {
  static const std::vector<Isa> built = [] {
    std::vector<Isa> isas;
    for (const Row& r : kRows) {
      if (r.built) isas.push_back(r.isa);
    }
    return isas;
  }();
  return built;
}

bool usable(Isa isa) {
  static const std::array<bool, std::size(kRows)> answers = [] {
    std::array<bool, std::size(kRows)> a{};
    for (const Row& r : kRows) a[static_cast<size_t>(r.isa)] = r.built && flags_supported(r.flags);
    return a;
  }();
  return answers[static_cast<size_t>(isa)];
}

Isa best_isa() {
  Isa best = Isa::scalar;
  for (const Isa isa : built_isas()) {
    if (usable(isa)) best = isa;
  }
  return best;
}

}  // namespace tally
