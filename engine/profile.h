#pragma once
// Joins the three columns: what a layer should cost, what its kernels did, what it took.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/context.h"

namespace tally {

struct ProfileOptions {
  int repeats = 0;       ///< timed runs; 0: as many as `seconds` allow, at least 5 and at most 2000
  double seconds = 0.5;  ///< time budget of the timing pass
  int warmup = 3;
  bool measure_overhead = true;  ///< also times runs that count, for `tally_overhead`
};

/// Order statistics of a sample, in ns.
struct Distribution {
  double min = 0, p10 = 0, median = 0, p90 = 0, p99 = 0, max = 0, mean = 0, stddev = 0;
  int samples = 0;
};
Distribution distribution(std::vector<double> samples);

struct ProfileRow {
  PlanRow const* plan = nullptr;  ///< name, nodes, kernel, ideal
  Tally executed;                 ///< source: counted
  Gap gap;                        ///< the plan's, and of a row that varies what its data added
  Distribution ns;                ///< source: timer
  double intensity = 0;           ///< 2·executed.macs ÷ executed bytes
};

struct Profile {
  std::shared_ptr<const Plan> plan;
  std::vector<ProfileRow> rows;
  Tally executed;             ///< sum of the rows
  Distribution ns;            ///< of whole runs with the clock read once a layer
  Distribution plain_ns;      ///< of whole runs without any instrument, interleaved
  Distribution counting_ns;   ///< of whole runs that count and read no clock, interleaved
  double clock_overhead = 0;  ///< median ratio − 1 of timed to plain runs
  double tally_overhead = 0;  ///< median ratio − 1 of counting to plain runs
  /// executed == planned (but where data decide what runs) and executed − ideal == Σ gap, for every row; else the first
  /// row that breaks it.
  std::optional<std::string> broken_law;
};

/// One time step of a streamed model, by its position in the sequence.
struct StepFigures {
  Tally executed;   ///< source: counted
  Distribution ns;  ///< source: timer
};

/// Figures of each of `steps` time steps from a reset on: counted in one pass, timed in others that repeat the
/// sequence. `enter(k)` sets the inputs of step k and is not timed. Leaves the outputs of the last step.
std::vector<StepFigures> profile_steps(Context& context, int64_t steps, const std::function<void(int64_t)>& enter,
                                       const ProfileOptions& options = {});

/// Counts in one pass, times in another. Inputs must have been set. Leaves the outputs of the last run.
Profile profile(Context& context, const ProfileOptions& options = {});

}  // namespace tally
