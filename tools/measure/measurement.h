#pragma once
// A measurement on this machine: on which core, with which counters, and whether the machine was fit for it.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tally/engine/profile.h"
#include "tally/platforms/conditions.h"
#include "tools/input/options.h"

namespace CLI {
class App;
}

namespace CLI {
class App;
}

namespace tally::tools {

struct MeasuringOptions {
  std::string counters = "auto";  ///< auto, require, off
  bool no_pin = false;
  std::string cluster = {};  ///< big, little, a number or a core's name; empty: the fastest
};

/// --counters, --no-pin and --cluster.
void add_measuring_options(CLI::App& command, MeasuringOptions& options);

/// The CPUs of one kind that --cluster names; nothing where it names none.
struct HeldCluster {
  int index = 0;             ///< among those that this process may use, the fastest first
  std::unique_ptr<Pin> pin;  ///< null: left as it is
};

/// Holds the calling thread, and those that are started from now on, on the cluster that is asked for: before a model
/// is loaded, for the threads of its pool. Throws Error(machine) on a cluster that this machine does not have,
/// Error(usage) on more threads than it has CPUs.
HeldCluster hold_cluster(const MeasuringOptions& options, int threads);

/// What was found of the hardware's counters.
struct CounterRecord {
  std::array<std::string, kPerfEvents> missing{};  ///< by event: why it was not counted; empty: it was
  bool direct = false;                             ///< read by an instruction, not by a system call
  double running_share = 0;                        ///< of the time; less than 1: figures are scaled, and estimates
  double mhz = 0;  ///< of the one core over the measurement, for estimates of cycles; 0: unknown or not asked for

  bool counted(PerfEvent event) const { return missing[static_cast<size_t>(event)].empty(); }
  bool any() const;
  bool scaled() const { return running_share < 0.9999; }
};

/// How figures came about.
struct MeasurementRecord {
  int cpu = -1;            ///< held on this one; −1: on none
  std::string not_pinned;  ///< why on none; empty: it was held
  std::string cluster;     ///< that --cluster asked for; empty: none
  Conditions before, after;
  MeasuredSpan span;
  Warmup warmup;
  std::vector<std::string> unfit;  ///< why figures may not come out the same again
  CounterRecord counters;
  std::string energy_source, energy_missing;  ///< one of the two
};

/// Prepares the machine when made: holds one thread on the quietest of the fastest cores (several threads are left to
/// the system), waits for its clock to settle, opens counters. Gives back the cores it was allowed when destroyed.
class Measurement {
 public:
  /// `context` is bound. Throws Error(machine) where counters are demanded and cycles or instructions are not to be
  /// had, Error(usage) on an unknown choice.
  Measurement(Context& context, const MeasuringOptions& options, const SystemFiles& files = system_files(),
              PerfCalls& calls = system_perf_calls());

  /// Null: none to be had, or none wanted.
  RowCounters* counters() { return counters_.get(); }
  EnergyMeter* energy() { return energy_.get(); }

  /// Ends it. `running_share`: CountedRuns::running_share.
  MeasurementRecord finish(const Distribution& whole, const Warmup& warmup, double running_share);

 private:
  void open_counters(Context& context, PerfCalls& calls, bool required);

  const SystemFiles* files_;
  MeasurementRecord record_;
  std::unique_ptr<Pin> pin_;
  std::unique_ptr<RowCounters> counters_;
  std::unique_ptr<EnergyMeter> energy_;
  int64_t begin_ns_ = 0;
};

/// One line on stderr that names every reason, unless the machine was fit.
void warn_where_unfit(const MeasurementRecord& record, bool quiet);

}  // namespace tally::tools
