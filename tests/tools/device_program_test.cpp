// Which program goes to which device.
#include "tools/device/device_program.h"

#include <doctest/doctest.h>

#include <cstdint>

#include "tally/engine/error.h"
#include "tests/engine/temporary_folder.h"

using namespace tally;
using namespace tally::tools;
using test::TemporaryFolder;

namespace {

void set(std::string& bytes, size_t at, uint64_t value, size_t count) {
  for (size_t i = 0; i < count; ++i) bytes[at + i] = static_cast<char>(value >> 8 * i);
}

/// An ELF head with one program header, PT_INTERP where `loader` is not empty.
std::string elf(bool wide, uint64_t machine, const std::string& loader) {
  std::string bytes(256, '\0');
  bytes.replace(0, 4, "\177ELF");
  bytes[4] = wide ? 2 : 1;
  bytes[5] = 1;
  set(bytes, 18, machine, 2);
  const size_t entry = 64;
  set(bytes, wide ? 32 : 28, entry, wide ? 8 : 4);
  set(bytes, wide ? 54 : 42, wide ? 56 : 32, 2);
  set(bytes, wide ? 56 : 44, 1, 2);
  set(bytes, entry, loader.empty() ? 1 : 3, 4);
  set(bytes, entry + (wide ? 8 : 4), 200, wide ? 8 : 4);
  set(bytes, entry + (wide ? 32 : 16), loader.size() + 1, wide ? 8 : 4);
  return bytes.replace(200, loader.size(), loader);
}

constexpr uint64_t kArm = 40, kX86 = 62, kAarch64 = 183;

}  // namespace

TEST_CASE("an ELF head tells machine and loader") {
  const TemporaryFolder folder;
  const ElfFile fixed = read_elf(folder.write("a", elf(true, kAarch64, "")));
  CHECK(fixed.machine == "aarch64");
  CHECK(fixed.interpreter.empty());
  CHECK(read_elf(folder.write("b", elf(false, kArm, "/lib/ld-linux-armhf.so.3"))).interpreter ==
        "/lib/ld-linux-armhf.so.3");
  CHECK(read_elf(folder.write("c", elf(true, 1, ""))).machine == "machine 1");
  CHECK(read_elf("/proc/self/exe").machine.size() > 2);
}

TEST_CASE("what is no program is refused, cut anywhere") {
  const TemporaryFolder folder;
  const std::string whole = elf(true, kAarch64, "/lib/ld");
  for (size_t bytes = 0; bytes < 53; ++bytes)
    CHECK_THROWS_AS(read_elf(folder.write("x", whole.substr(0, bytes))), Error);
  for (size_t bytes = 53; bytes < whole.size(); ++bytes)
    CHECK(read_elf(folder.write("x", whole.substr(0, bytes))).machine == "aarch64");
  CHECK_THROWS_AS(read_elf(folder.write("x", std::string(100, '#'))), Error);
  CHECK_THROWS_AS(read_elf(folder.path / "none"), Error);
  CHECK_THROWS_AS(read_elf(folder.path), Error);
}

TEST_CASE("a kernel runs programs of its machine, and those for 32 bits") {
  CHECK(runs_on("aarch64", "aarch64"));
  CHECK(runs_on("arm", "armv7l"));
  CHECK(runs_on("arm", "aarch64"));
  CHECK(runs_on("i686", "x86_64"));
  CHECK_FALSE(runs_on("aarch64", "armv7l"));
  CHECK_FALSE(runs_on("x86_64", "aarch64"));
  CHECK_FALSE(runs_on("x86_64", "i686"));
}

TEST_CASE("the program is the one asked for, one beside this build, or this one") {
  const TemporaryFolder folder;
  const auto self = folder.write("build/release/tally", elf(true, kX86, "/lib64/ld"));
  const auto chosen = [&](const std::string& machine, const std::string& asked = "") -> std::string {
    try {
      return program_for(machine, asked, self).file.lexically_relative(folder.path).string();
    } catch (const Error& e) {
      return e.what();
    }
  };
  CHECK(chosen("x86_64") == "build/release/tally");
  CHECK(chosen("aarch64").find("cmake --preset pi64-static") != std::string::npos);
  CHECK(chosen("armv7l").find("cmake --preset pi32-static") != std::string::npos);
  CHECK(chosen("riscv64").find("must be given one: --binary FILE") != std::string::npos);
  folder.write("build/pi32-static/tally", elf(false, kArm, ""));
  CHECK(chosen("aarch64") == "build/pi32-static/tally");
  folder.write("build/pi64-static/tally", elf(true, kAarch64, ""));
  CHECK(chosen("aarch64") == "build/pi64-static/tally");
  CHECK(chosen("armv7l") == "build/pi32-static/tally");
  const std::string asked = (folder.path / "build/pi64-static/tally").string();
  CHECK(chosen("aarch64", asked) == "build/pi64-static/tally");
  CHECK(chosen("x86_64", asked).find("is for aarch64; must be for the device's x86_64") != std::string::npos);
}
