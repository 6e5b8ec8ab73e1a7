#include "tools/device/elf_file.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>
#include <vector>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

constexpr size_t kMostPrograms = 64, kMostInterpreter = 256;

/// The integer of `bytes` little-endian bytes at `offset`.
uint64_t field(std::span<const unsigned char> data, size_t offset, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes && offset + i < data.size(); ++i) value |= uint64_t{data[offset + i]} << 8 * i;
  return value;
}

std::string machine_name(uint64_t machine) {
  switch (machine) {
    case 3:
      return "i686";
    case 40:
      return "arm";
    case 62:
      return "x86_64";
    case 183:
      return "aarch64";
    case 243:
      return "riscv64";
  }
  return text("machine ", machine);
}

/// Up to `bytes` of the file from `offset` on.
std::vector<unsigned char> bytes_at(std::ifstream& in, uint64_t offset, size_t bytes) {
  std::vector<unsigned char> data(bytes);
  in.clear();
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(bytes));
  data.resize(static_cast<size_t>(in.gcount()));
  return data;
}

/// The text of the PT_INTERP program header; empty where there is none.
std::string interpreter_of(std::ifstream& in, std::span<const unsigned char> head, bool wide) {
  constexpr uint64_t kInterpreter = 3;
  const uint64_t table = field(head, wide ? 32 : 28, wide ? 8 : 4), size = field(head, wide ? 54 : 42, 2);
  const uint64_t count = std::min<uint64_t>(field(head, wide ? 56 : 44, 2), kMostPrograms);
  for (uint64_t i = 0; i < count; ++i) {
    const auto entry = bytes_at(in, table + i * size, wide ? 56 : 32);
    if (field(entry, 0, 4) != kInterpreter) continue;
    const uint64_t at = field(entry, wide ? 8 : 4, wide ? 8 : 4), length = field(entry, wide ? 32 : 16, wide ? 8 : 4);
    const auto name = bytes_at(in, at, std::min<size_t>(length, kMostInterpreter));
    return {name.begin(), std::find(name.begin(), name.end(), 0)};
  }
  return "";
}

}  // namespace

ElfFile read_elf(const std::filesystem::path& file) {
  constexpr size_t kHeadBytes = 64;
  std::ifstream in(file, std::ios::binary);
  const auto head = bytes_at(in, 0, kHeadBytes);
  const std::string name = "program '" + file.string() + "'";
  if (head.empty()) fail(name, "cannot be read", "must be a program for the device", ErrorCode::usage);
  const bool little = head.size() > 52 && std::memcmp(head.data(), "\177ELF", 4) == 0 && head[5] == 1;
  if (!little || head[4] < 1 || head[4] > 2)
    fail(name, "is no little-endian ELF file", "must be a program for the device", ErrorCode::usage);
  return {machine_name(field(head, 18, 2)), interpreter_of(in, head, head[4] == 2)};
}

bool runs_on(const std::string& program_machine, const std::string& uname_machine) {
  if (program_machine == uname_machine) return true;
  if (program_machine == "arm") return uname_machine.starts_with("armv") || uname_machine == "aarch64";
  return program_machine == "i686" && (uname_machine == "x86_64" || uname_machine.ends_with("86"));
}

}  // namespace tally::tools
