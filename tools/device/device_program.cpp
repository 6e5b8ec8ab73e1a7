#include "tools/device/device_program.h"

#include <vector>

#include "tally/engine/error.h"

namespace tally::tools {

namespace fs = std::filesystem;

namespace {

/// Presets whose programs are for devices, the quickest on a device that runs several first.
constexpr const char* kPresets[] = {"pi64-static", "pi32-static", "pi64", "pi32"};

std::string preset_for(const std::string& uname_machine) {
  if (runs_on("aarch64", uname_machine)) return "pi64-static";
  return runs_on("arm", uname_machine) ? "pi32-static" : "";
}

std::vector<fs::path> candidates(const fs::path& self) {
  std::vector<fs::path> files;
  const fs::path folder = self.parent_path();
  for (const fs::path& builds : {folder.parent_path(), folder, folder.parent_path() / "build"})
    for (const char* preset : kPresets) files.push_back(builds / preset / "tally");
  files.push_back(self);
  return files;
}

}  // namespace

DeviceProgram program_for(const std::string& uname_machine, const std::string& asked, const fs::path& self) {
  if (!asked.empty()) {
    const ElfFile elf = read_elf(asked);
    if (!runs_on(elf.machine, uname_machine))
      fail("program '" + asked + "'", "is for " + elf.machine, "must be for the device's " + uname_machine,
           ErrorCode::machine);
    return {asked, elf};
  }
  for (const fs::path& file : candidates(self)) {
    std::error_code error;
    if (!fs::is_regular_file(file, error)) continue;
    const ElfFile elf = read_elf(file);
    if (runs_on(elf.machine, uname_machine)) return {file, elf};
  }
  const std::string preset = preset_for(uname_machine);
  fail("device of architecture '" + uname_machine + "'", "no program for it beside this one",
       preset.empty() ? "must be given one: --binary FILE"
                      : "must be given one: --binary FILE, or cmake --preset " + preset +
                            " && cmake --build --preset " + preset + " --target tally",
       ErrorCode::machine);
}

DeviceProgram program_for(const std::string& uname_machine, const std::string& asked) {
  std::error_code error;
  return program_for(uname_machine, asked, fs::read_symlink("/proc/self/exe", error));
}

}  // namespace tally::tools
