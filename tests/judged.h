#pragma once
// Kernel sweeps under an outside judge. Run as `tally_test_platforms --claims FILE` by tools/qemu/judge.py, a test
// program marks each untallied kernel call as a section for the emulator and writes down what the counting kernel
// claims for it. Otherwise these are plain calls.
#include <fstream>
#include <optional>
#include <span>
#include <string>

#include "tally/platforms/isa.h"
#include "tally/platforms/tally.h"
#include "tools/measure/marker.h"

namespace tally::test {

class Judge {
 public:
  static Judge& instance();

  /// Begins to write claims; TALLY_JUDGE_ISA then limits the sweep to one instruction set, so that no emulator meets
  /// another.
  void open(const std::string& file);
  bool on() const { return out_.is_open(); }
  bool wants(Isa isa) const { return !isa_ || *isa_ == isa; }

  /// Calls run() between the markers.
  template <class F>
  void section(F run) {
    if (!on()) return run();
    tools::run_between_markers(run);
    open_section_ = true;
  }
  /// An operand in memory whose loads and stores are judged. Nothing else may be touched in the 64-byte line it begins
  /// in.
  struct Buffer {
    const void* address;
    size_t bytes;
  };

  /// What the section just run is claimed to have executed. `integer`: its multiply-accumulates are int8 ones. Bytes
  /// are judged where the operands are given.
  void claim(Isa isa, const Tally& tally, bool integer = false, std::span<const Buffer> buffers = {});

 private:
  std::ofstream out_;
  std::optional<Isa> isa_;
  bool open_section_ = false;
  int sections_ = 0;
};

}  // namespace tally::test
