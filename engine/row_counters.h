#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tally/engine/context.h"
#include "tally/platforms/perf.h"

namespace tally {

using PerfCounts = std::array<uint64_t, kPerfEvents>;

/// Hardware counters of every thread that a context runs on, read after each row of its plan. Counts are user mode's:
/// what a thread spends waiting for others counts, what the kernel does for it does not. A reading costs some
/// instructions of its own; what it costs is measured once and taken off each row.
class RowCounters {
 public:
  /// Opens a group on each of the context's threads. The context must keep its plan while this lives.
  RowCounters(Context& context, const PerfSetup& setup, PerfCalls& calls = system_perf_calls());
  ~RowCounters();
  RowCounters(const RowCounters&) = delete;
  RowCounters& operator=(const RowCounters&) = delete;

  /// True where every thread counts it.
  bool counts(PerfEvent event) const;
  /// The errno why it does not, see perf_obstacle(); 0 where it does.
  int error(PerfEvent event) const;
  bool any() const;
  bool reads_directly() const;

  /// Of one thread, by that thread: begins a run, ends a row of it.
  void begin(int thread) noexcept;
  void end_row(int thread, int row) noexcept;

  /// Counts of a row since the last call, all threads together.
  PerfCounts take(int row) noexcept;
  /// True if a reading failed since the last call.
  bool take_failure() noexcept;

  /// Begins a span for running_share().
  void mark() noexcept;
  /// Share of the time since mark() that the kernel let the counters run; less than 1 where other users of the counters
  /// take turns with this one.
  double running_share() noexcept;

 private:
  struct Thread;
  std::vector<std::unique_ptr<Thread>> threads_;
};

/// Counts of a run or a row of it, by event; nothing where the event was not counted.
struct PerfFigures {
  std::array<std::optional<double>, kPerfEvents> count{};

  std::optional<double> operator[](PerfEvent event) const { return count[static_cast<size_t>(event)]; }
};

/// What counters saw of runs.
struct CountedRuns {
  std::vector<PerfFigures> rows;  ///< by plan row
  PerfFigures whole;              ///< a run: of all rows
  double running_share = 0;       ///< 0: nothing was counted
  /// True where the counters ran for a part of the time only: figures are then the mean of what they saw, divided by
  /// that share, and estimates. Else medians over runs.
  bool scaled() const { return running_share < 0.9999; }
};

/// A pass of runs whose rows are counted.
class CountingPass {
 public:
  CountingPass(Context& context, RowCounters& counters);

  /// One run.
  void run();
  CountedRuns result();

 private:
  Context* context_;
  RowCounters* counters_;
  RunRecord record_;
  std::vector<std::vector<PerfCounts>> samples_;  ///< [row][run]
  std::vector<PerfCounts> whole_;                 ///< [run]
};

}  // namespace tally
