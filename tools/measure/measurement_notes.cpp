#include "tools/measure/measurement_notes.h"

#include <cmath>
#include <map>

#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

std::string placement(const MeasurementRecord& r) {
  return r.cpu >= 0 ? formatted("held on CPU {}", r.cpu) : "held on no CPU (" + r.not_pinned + ")";
}

std::string clock(const MeasurementRecord& r) {
  const std::string governor = r.before.governor ? "'" + *r.before.governor + "'" : "n/a";
  if (r.span.mhz_before <= 0) return "clock n/a, governor " + governor;
  return formatted("clock {} MHz before and {} after (estimated: dependent additions), governor {}",
                   with_thousands(r.span.mhz_before, 0), with_thousands(r.span.mhz_after, 0), governor);
}

std::string repeatability(const MeasurementRecord& r, const Distribution& whole) {
  std::string interval = "without an interval, which needs 6 runs";
  if (const auto& ci = whole.median_ci95; ci && whole.median > 0)
    interval = formatted("95 % interval {:+.2f} to {:+.2f} %", 100 * (ci->low / whole.median - 1),
                         100 * (ci->high / whole.median - 1));
  return formatted(
      "- repeatability: median {}, {}; {} runs {} to {} (p10 to p90), a spread of {:.1f} %; {} warm-up runs{}; {}; {}; "
      "load "
      "average "
      "{}.",
      duration_text(whole.median), interval, with_thousands(int64_t{whole.samples}), duration_text(whole.p10),
      duration_text(whole.p90), 100 * whole.spread(), with_thousands(r.warmup.runs),
      r.warmup.runs > 0 && !r.warmup.steady ? ", not steady" : "", placement(r), clock(r),
      r.before.load ? formatted("{:.2f}", *r.before.load) : "n/a");
}

/// "cycles 33,400 and instructions 81,000 a run (pmu)".
std::string counted(const MeasurementRecord& r, const Figures& run) {
  std::string text;
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const auto event = static_cast<PerfEvent>(e);
    if (const auto count = run.counted[event])
      text += formatted("{}{} {}", text.empty() ? "" : ", ", name_of(event), with_thousands(std::llround(*count)));
  }
  if (text.empty()) return text;
  const CounterRecord& c = r.counters;
  const std::string scaled =
      c.scaled() ? formatted(", estimated: counters ran {:.0f} % of the time", 100 * c.running_share) : "";
  return formatted("- counters: {} a run (pmu, user mode, read by {}{}).", text,
                   c.direct ? "an instruction" : "a system call", scaled);
}

/// Events by the reason why they were not counted.
std::vector<std::string> not_counted(const MeasurementRecord& r) {
  std::map<std::string, std::string> events;
  for (size_t e = 0; e < kPerfEvents; ++e) {
    const std::string& reason = r.counters.missing[e];
    if (reason.empty()) continue;
    std::string& names = events[reason];
    names += (names.empty() ? "" : ", ") + std::string(name_of(static_cast<PerfEvent>(e)));
  }
  std::vector<std::string> notes;
  for (const auto& [reason, names] : events)
    notes.push_back(formatted("- {}: n/a, {}.", r.counters.any() ? names : "hardware counters", reason));
  return notes;
}

}  // namespace

std::vector<std::string> measurement_notes(const MeasurementRecord& record, const Distribution& whole,
                                           const Figures& run) {
  std::vector<std::string> notes;
  if (!record.unfit.empty())
    notes.push_back(formatted("- WARNING, not fit to measure: {}.", joined(record.unfit, "; ")));
  notes.push_back(repeatability(record, whole));
  if (std::string text = counted(record, run); !text.empty()) notes.push_back(std::move(text));
  if (const Cycles cycles = cycles_of(run, record.counters);
      cycles.count && !run.counted[PerfEvent::cycles] && record.counters.mhz > 0)
    notes.push_back(formatted("- cycles: {} a run, estimated from time × {} MHz.", with_thousands(*cycles.count),
                              with_thousands(record.counters.mhz, 0)));
  for (std::string& note : not_counted(record)) notes.push_back(std::move(note));
  if (run.energy_nj)
    notes.push_back(formatted("- energy: {} µJ a run ({}), everything that the source sees included.",
                              with_thousands(*run.energy_nj * 1e-3, 2), run.energy_source));
  else
    notes.push_back(formatted("- energy: n/a, {}.",
                              record.energy_missing.empty() ? "the source failed midway" : record.energy_missing));
  return notes;
}

}  // namespace tally::tools
