#pragma once
// Joins the three columns: what a layer should cost, what its kernels did, what it took.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/context.h"
#include "tally/engine/distribution.h"
#include "tally/engine/row_counters.h"
#include "tally/engine/warmup.h"
#include "tally/platforms/energy.h"

namespace tally {

struct ProfileOptions {
  int repeats = 0;                  ///< timed runs; 0: as many as `seconds` allow, at least 5 and at most 2000
  double seconds = 0.5;             ///< time budget of the timing pass
  int warmup = 3;                   ///< runs before the timing pass, at least, see warm_up(); 0: none
  double warmup_seconds = 0.3;      ///< and how long they may take to become steady
  bool measure_overhead = true;     ///< also times runs that count, for `tally_overhead`
  RowCounters* counters = nullptr;  ///< of this context: also counts runs by the hardware's counters
  EnergyMeter* energy = nullptr;    ///< also measures the energy of a run, in a pass of its own
};

struct ProfileRow {
  PlanRow const* plan = nullptr;  ///< name, nodes, kernel, ideal
  Tally executed;                 ///< source: counted
  Gap gap;                        ///< the plan's, and of a row that varies what its data added
  Distribution ns;                ///< source: timer
  PerfFigures counted;            ///< source: pmu, or scaled, see Profile::running_share
  double intensity = 0;           ///< 2·executed.macs ÷ executed bytes
};

struct Profile {
  std::shared_ptr<const Plan> plan;
  std::vector<ProfileRow> rows;
  Tally executed;                               ///< sum of the rows
  Distribution ns;                              ///< of whole runs with the clock read once a layer
  Distribution plain_ns;                        ///< of whole runs without any instrument, interleaved
  Distribution counting_ns;                     ///< of whole runs that count and read no clock, interleaved
  double clock_overhead = 0;                    ///< median ratio − 1 of timed to plain runs
  double tally_overhead = 0;                    ///< median ratio − 1 of counting to plain runs
  std::optional<Interval> tally_overhead_ci95;  ///< of that median
  PerfFigures counted;                          ///< of whole runs
  double running_share = 0;                     ///< CountedRuns::running_share
  std::optional<double> energy_nj;              ///< of a run, everything that the source sees included
  Warmup warmup;
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

/// nJ of a run: those of runs that take `seconds` in all, or as long as the source needs. Nothing where the source
/// fails.
std::optional<double> energy_of_runs(Context& context, EnergyMeter& meter, double seconds);

/// Counts in one pass, times in another. Inputs must have been set. Leaves the outputs of the last run.
///
/// The timing pass begins with warm_up(). Then runs of each kind take turns: plain ones, such as read the clock, such
/// as count, such as read the hardware's counters; which kind goes first changes from turn to turn, so that neither a
/// drift of the machine nor what one kind leaves in the caches falls on one kind alone.
Profile profile(Context& context, const ProfileOptions& options = {});

}  // namespace tally
