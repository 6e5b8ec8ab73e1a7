#pragma once
// The least time that work can take on a machine: each of its units at its own peak, all at once (Williams, Waterman
// and Patterson 2009; with one roof a memory level, Ilic, Pratas and Sousa 2014).
#include <cstdint>
#include <string_view>
#include <vector>

namespace tally {

/// The unit that work waits for longest.
enum class Bound { compute, L1, L2, L3, dram };
std::string_view name_of(Bound bound);

/// Peak rates of one level, in bytes a ns.
struct LevelRate {
  Bound level = Bound::L1;
  double read = 0, write = 0;
};

/// What a machine can do, for one number format, instruction set and number of threads.
struct Peaks {
  double macs_per_ns = 0;         ///< 0: not known, nothing is bound by it
  std::vector<LevelRate> levels;  ///< nearest first, the last is the memory
};

/// What has to be done: multiply-accumulates, and bytes to and from each level of Peaks::levels.
struct Work {
  double macs = 0;
  struct Bytes {
    double read = 0, written = 0;
  };
  std::vector<Bytes> bytes;
};

struct Roof {
  Bound bound = Bound::compute;
  double ns = 0;  ///< of the bound
  struct Unit {
    Bound unit = Bound::compute;
    double ns = 0;
  };
  std::vector<Unit> units;  ///< each by itself
};

/// ns = max(macs ÷ macs_per_ns, max over levels of max(read ÷ read rate, written ÷ write rate)). Units whose rate is
/// not known are left out.
Roof roof_of(const Work& work, const Peaks& peaks);

}  // namespace tally
