#pragma once
// Measures what this machine can do: multiply-accumulates of each number format and instruction set, and bandwidth of
// each memory level, by one core and by all, cluster by cluster.
#include <functional>
#include <string>

#include "tools/machine/machine_file.h"

namespace tally::tools {

struct CalibrationOptions {
  double seconds = 30;       ///< for samples; finding their sizes takes a few more
  double sample_ns = 2e6;    ///< of one sample, at least
  int least = 7, most = 60;  ///< samples of each figure
};

/// `progress(what)` before each round. Probes take turns, so that drift falls on all alike. A figure's value is the
/// rate that nine samples in ten do not exceed: others' work on a shared machine only ever slows. Samples of all cores
/// count only where all ran at once; where other work never lets them, the figure is not known.
MachineFile calibrate(const CalibrationOptions& options, const std::function<void(const std::string&)>& progress);

/// Bytes that a thread walks through to measure a level: the geometric mean of its own share of the level and of the
/// one before it, so that it fits the one and not the other; half of the first level; of the memory (`bytes` 0) four
/// times the last cache, shared among the threads. A multiple of a stream's block.
int64_t walked_bytes(int64_t bytes, int64_t before, int sharers);

}  // namespace tally::tools
