#include "tests/judged.h"

#include <cstdlib>
#include <stdexcept>

#include <doctest/doctest.h>

/// Its address tells the judge where the program was loaded.
extern "C" void tally_judge_anchor() {}

namespace tally::test {

Judge& Judge::instance() {
  static Judge judge;
  return judge;
}

void Judge::open(const std::string& file) {
  out_.open(file);
  if (!out_) throw std::runtime_error("cannot write " + file);
  if (const char* name = std::getenv("TALLY_JUDGE_ISA"); name != nullptr) {
    isa_ = isa_from_name(name);
    if (!isa_ || !usable(*isa_)) std::exit(4);
  }
}

void Judge::claim(Isa isa, const Tally& tally, bool integer, std::span<const Buffer> buffers) {
  if (!open_section_) return;
  open_section_ = false;
  std::string name = doctest::getContextOptions()->currentTest->m_name;
  for (char& c : name)
    if (c == '"' || c == '\\') c = '\'';
  out_ << "{\"section\": " << sections_++ << ", \"name\": \"" << name << "\", \"isa\": \"" << name_of(isa)
       << "\", \"lane_macs\": " << (integer ? 0 : tally.lane_macs) << ", \"lane_fma_other\": " << tally.lane_fma_other
       << ", \"int8_macs\": " << (integer ? tally.lane_macs : 0);
  if (buffers.empty()) {
    out_ << ", \"bytes_loaded\": null, \"bytes_stored\": null";
  } else {
    out_ << ", \"bytes_loaded\": " << tally.bytes_loaded << ", \"bytes_stored\": " << tally.bytes_stored;
  }
  out_ << ", \"buffers\": [";
  const char* separator = "";
  for (const Buffer& buffer : buffers) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(buffer.address), line = address / 64 * 64;
    out_ << separator << "{\"name\": \"operand\", \"address\": " << line
         << ", \"bytes\": " << buffer.bytes + (address - line) << "}";
    separator = ", ";
  }
  out_ << "], \"anchor\": {\"symbol\": \"tally_judge_anchor\", \"address\": "
       << reinterpret_cast<uintptr_t>(&tally_judge_anchor) << "}}\n";
  out_.flush();
}

}  // namespace tally::test
