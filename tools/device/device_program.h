#pragma once
#include <filesystem>
#include <string>

#include "tools/device/elf_file.h"

namespace tally::tools {

/// The tally that is copied to a device.
struct DeviceProgram {
  std::filesystem::path file;
  ElfFile elf;
};

/// The program for a kernel that calls itself `uname_machine`: `asked` (--binary) where it is given, else the first of
/// pi64-static/tally, pi32-static/tally … beside the folder of the running program that suits, else the running program
/// itself. Throws Error(machine) where none suits, with what would make one; Error(usage) where `asked` is no program.
DeviceProgram program_for(const std::string& uname_machine, const std::string& asked);

/// The same with the running program given: `self`.
DeviceProgram program_for(const std::string& uname_machine, const std::string& asked,
                          const std::filesystem::path& self);

}  // namespace tally::tools
