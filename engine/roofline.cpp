#include "tally/engine/roofline.h"

#include <algorithm>

namespace tally {

std::string_view name_of(Bound bound) {
  switch (bound) {
    case Bound::compute:
      return "compute";
    case Bound::L1:
      return "L1";
    case Bound::L2:
      return "L2";
    case Bound::L3:
      return "L3";
    case Bound::dram:
      break;
  }
  return "dram";
}

Roof roof_of(const Work& work, const Peaks& peaks) {
  Roof roof;
  const auto add = [&](Bound unit, double ns) {
    roof.units.push_back({unit, ns});
    if (ns <= roof.ns) return;
    roof.bound = unit;
    roof.ns = ns;
  };
  if (peaks.macs_per_ns > 0) add(Bound::compute, work.macs / peaks.macs_per_ns);
  for (size_t i = 0; i < peaks.levels.size() && i < work.bytes.size(); ++i) {
    const LevelRate& rate = peaks.levels[i];
    const double read = rate.read > 0 ? work.bytes[i].read / rate.read : 0;
    const double write = rate.write > 0 ? work.bytes[i].written / rate.write : 0;
    if (rate.read > 0 || rate.write > 0) add(rate.level, std::max(read, write));
  }
  return roof;
}

}  // namespace tally
