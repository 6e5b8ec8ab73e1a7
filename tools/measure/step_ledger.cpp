#include "tools/measure/step_ledger.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tools/input/inputs.h"
#include "tools/input/sequence.h"
#include "tools/measure/profile_report.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

/// A table for people shows the first steps, then those at which the sequence has doubled, and the last.
constexpr size_t kFirstSteps = 4;

bool shown(size_t k, size_t steps) {
  const bool power = ((k + 1) & k) == 0;
  return k < kFirstSteps || power || k + 1 == steps;
}

int64_t moved(const Tally& t) { return t.bytes_loaded + t.bytes_stored; }

std::vector<Cell> step_cells(const StepLedger& ledger, size_t k) {
  const StepFigures& f = ledger.steps[k];
  return {static_cast<int64_t>(k),
          f.executed.macs,
          f.executed.lane_macs,
          moved(f.executed),
          ledger.state_bytes(k),
          f.ns.median,
          f.ns.p10,
          f.ns.p90};
}

Table step_table(const StepLedger& ledger, bool all) {
  Table table;
  table.columns = {{"step", "step", Unit::figure},
                   {"macs", "MACs", Unit::count, "executed"},
                   {"lane_macs", "lanes", Unit::count, "executed"},
                   {"bytes_moved", "bytes", Unit::bytes, "executed"},
                   {"state_bytes", "state", Unit::bytes},
                   {"ns_median", "median", Unit::ns, "time"},
                   {"ns_p10", "p10", Unit::ns, "time"},
                   {"ns_p90", "p90", Unit::ns, "time"}};
  for (size_t k = 0; k < ledger.steps.size(); ++k)
    if (all || shown(k, ledger.steps.size())) table.rows.push_back(step_cells(ledger, k));
  return table;
}

Tally sum_of(const StepLedger& ledger) {
  Tally sum;
  for (const StepFigures& f : ledger.steps) sum += f.executed;
  return sum;
}

/// Its spread is over passes: that over steps is the model's own.
Distribution last_step_ns(const StepLedger& ledger) {
  return ledger.steps.empty() ? Distribution{} : ledger.steps.back().ns;
}

double ns_of(const StepLedger& ledger) {
  double ns = 0;
  for (const StepFigures& f : ledger.steps) ns += f.ns.median;
  return ns;
}

/// The sequence at once (of a decoder: prefill) beside the sum of its steps (decode).
Table phase_table(const StepLedger& ledger) {
  Table table;
  table.columns = {{"phase", "the sequence"},
                   {"steps", "steps", Unit::count},
                   {"macs", "MACs", Unit::count, "executed"},
                   {"bytes_moved", "bytes", Unit::bytes, "executed"},
                   {"ns", "time", Unit::ns},
                   {"ns_per_step", "a step", Unit::ns}};
  const auto steps = static_cast<int64_t>(ledger.steps.size());
  const auto add = [&](const char* name, const Tally& tally, double ns) {
    table.rows.push_back({std::string(name), steps, tally.macs, moved(tally), ns, ns / static_cast<double>(steps)});
  };
  add("at once (prefill)", ledger.whole, ledger.whole_ns.median);
  add("step by step (decode)", sum_of(ledger), ns_of(ledger));
  return table;
}

}  // namespace

StepLedger make_ledger(const LoadedModel& step, const LoadedModel& whole, const InputOptions& inputs,
                       const ProfileOptions& options, const MeasuringOptions& measuring) {
  if (measuring.counters == "require")
    fail("--counters require", "with --per-step", "must be without: hardware counters are not read step by step",
         ErrorCode::usage);
  StepLedger ledger;
  Context context(step.model);
  Sequence sequence(context, read_inputs(step.model, inputs));
  check_isa(context);
  sequence.begin();
  ledger.plan = context.shared_plan();
  for (const BufferInfo& buffer : ledger.plan->buffers) {
    if (buffer.kind != BufferKind::state) continue;
    ledger.growth_bytes += static_cast<int64_t>(buffer.growth);
    if (buffer.growth == 0) ledger.kept_bytes += static_cast<int64_t>(buffer.bytes);
  }
  Measurement measurement(context, {"off", measuring.no_pin, measuring.cluster});
  const Warmup warmup = warm_up(context, options.warmup, options.warmup_seconds);
  ledger.steps = profile_steps(
      context, sequence.steps(), [&](int64_t k) { sequence.enter(k); }, options);
  ledger.record = measurement.finish(last_step_ns(ledger), warmup, 0);
  Context all = make_context(whole.model, inputs);
  const Profile at_once = profile(all, options);
  ledger.whole = at_once.executed;
  ledger.whole_ns = at_once.plain_ns;
  return ledger;
}

Report ledger_report(const LoadedModel& loaded, const StepLedger& ledger) {
  Report report;
  report.title = loaded.name + ": time steps";
  report.facts = {
      loaded.file.string() + " · " + cpu_name(),
      formatted("{} · {} thread{} · weights {} · state {}", name_of(ledger.plan->isa), ledger.plan->threads,
                ledger.plan->threads == 1 ? "" : "s", bytes_text(static_cast<double>(ledger.plan->weights_bytes)),
                bytes_text(static_cast<double>(ledger.plan->state_bytes)))};
  report.parts = {{"", step_table(ledger, false)}, {"", phase_table(ledger)}};
  report.notes = {
      formatted("- executed: counted step by step, in a pass of its own. time: timer ({}), medians of {} passes over "
                "the sequence, the clock read before and after each step.",
                tick_source(), ledger.steps.empty() ? 0 : ledger.steps[0].ns.samples),
      ledger.growth_bytes > 0 ? formatted("- state: {} kept, and caches that grow by {} a step.",
                                          bytes_text(static_cast<double>(ledger.kept_bytes)),
                                          bytes_text(static_cast<double>(ledger.growth_bytes)))
                              : std::string("- state: of constant size.")};
  if (!ledger.record.unfit.empty())
    report.notes.push_back(formatted("- WARNING, not fit to measure: {}.", joined(ledger.record.unfit, "; ")));
  if (ledger.steps.size() > step_table(ledger, false).rows.size())
    report.notes.push_back("- Steps left out of the table are in --format json.");
  return report;
}

nlohmann::ordered_json ledger_document(const LoadedModel& loaded, const StepLedger& ledger) {
  using nlohmann::ordered_json;
  ordered_json document = new_document("ledger", &loaded, ledger.plan->isa);
  document["threads"] = ledger.plan->threads;
  document["weights_bytes"] = ledger.plan->weights_bytes;
  document["kept_bytes"] = ledger.kept_bytes;
  document["growth_bytes"] = ledger.growth_bytes;
  const auto executed = [](const Tally& t) {
    return ordered_json{{"macs", t.macs},
                        {"lane_macs", t.lane_macs},
                        {"lane_fma_other", t.lane_fma_other},
                        {"bytes_loaded", t.bytes_loaded},
                        {"bytes_stored", t.bytes_stored}};
  };
  ordered_json steps = ordered_json::array();
  for (size_t k = 0; k < ledger.steps.size(); ++k)
    steps.push_back({{"step", k},
                     {"executed", executed(ledger.steps[k].executed)},
                     {"state_bytes", ledger.state_bytes(k)},
                     {"ns", distribution_json(ledger.steps[k].ns)}});
  document["steps"] = std::move(steps);
  document["totals"] = {{"executed", executed(sum_of(ledger))}, {"ns", ns_of(ledger)}};
  document["at_once"] = {{"executed", executed(ledger.whole)}, {"ns", distribution_json(ledger.whole_ns)}};
  document["clock_source"] = tick_source();
  document["repeatability"] = repeatability_json(ledger.record, last_step_ns(ledger));
  return document;
}

}  // namespace tally::tools
