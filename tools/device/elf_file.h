#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace tally::tools {

/// What the head of an ELF program says (System V ABI, chapters 4 and 5).
struct ElfFile {
  std::string machine;  ///< as `uname -m` names it: "aarch64", "arm", "x86_64", "i686", "riscv64"; else "machine 243"
  std::string interpreter;  ///< the loader that a dynamically linked program needs; empty: static
};

/// Throws Error(usage) where the file cannot be read or is no little-endian ELF program.
ElfFile read_elf(const std::filesystem::path& file);

/// True where a kernel that calls itself `uname_machine` runs programs for `program_machine`; 64-bit ones run those for
/// 32 bits too.
bool runs_on(const std::string& program_machine, const std::string& uname_machine);

}  // namespace tally::tools
