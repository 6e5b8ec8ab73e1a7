#pragma once
// Runs on a time axis, in the Trace Event Format that Perfetto (ui.perfetto.dev) and chrome://tracing open.
// (Trace Event Format, Google, 2016: complete events "X", counters "C", metadata "M"; times in µs.)
#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "tools/input/model_file.h"
#include "tools/input/sequence.h"

namespace tally::tools {

/// One run as it happened: when it began, and how long each row of the plan took, one after the other.
struct TracedRun {
  std::string name;
  int64_t begin_ns = 0;         ///< since the first run's begin
  int64_t ns = 0;               ///< of the whole
  std::vector<int64_t> row_ns;  ///< by plan row
  std::vector<Tally> executed;  ///< by plan row, of one counted run
};

/// A counted run, a warm-up, then `runs` runs of a context whose inputs are set, the clock read once a row.
std::vector<TracedRun> trace_runs(Context& context, int runs);

/// The steps of a sequence from a reset on, each counted and, in another pass, timed; at most `most` of them.
std::vector<TracedRun> trace_steps(Context& context, Sequence& sequence, int64_t most);

/// The document: a slice a run, within it a slice a row with kernel, shapes, ideal and executed MACs and bytes, and
/// counters of MACs and bytes a second and of lanes that are padding.
nlohmann::ordered_json trace_document(const LoadedModel& loaded, const Plan& plan, const std::vector<TracedRun>& runs);

/// The same as text, written to `file`.
void write_trace(const LoadedModel& loaded, const Plan& plan, const std::vector<TracedRun>& runs,
                 const std::string& file);

}  // namespace tally::tools
