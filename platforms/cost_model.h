#pragma once
#include <algorithm>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// Cycles that a kernel is expected to take on one core: what plans compare candidates and choose threads by, and
/// nothing else. A roofline of three units that work at once (multiply-accumulate, load, store), operands taken to be
/// in the first cache, plus `overhead_cycles`. The rates are those of current cores: two vectors of
/// multiply-accumulates a cycle up to 8 lanes and one beyond (Zen 4 issues a 512-bit one every cycle), half of that
/// without FMA; two vector loads, one vector store.
inline double planned_cycles(const Geometry& geometry, const Planned& planned, double overhead_cycles = 0) {
  const double lanes = geometry.lanes;
  const double vectors = (geometry.lanes > 8 ? 1.0 : 2.0) / (geometry.has_fma ? 1.0 : 2.0);
  const auto macs = static_cast<double>(planned.tally.lane_macs + planned.tally.lane_fma_other);
  const auto loads = static_cast<double>(planned.tally.bytes_loaded);
  const auto stores = static_cast<double>(planned.tally.bytes_stored);
  return std::max({macs / (lanes * vectors), loads / (lanes * 8), stores / (lanes * 4)}) + overhead_cycles;
}

}  // namespace tally
