#include "tools/measure/trace.h"

#include <algorithm>
#include <cmath>

#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/screen.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

constexpr int kProcess = 1, kThread = 1;

int64_t ns_of(int64_t ticks) { return std::llround(static_cast<double>(ticks) / ticks_per_ns()); }

/// Times in µs, as the format wants them; three decimals are whole ns.
double us(int64_t ns) { return static_cast<double>(ns) / 1e3; }

ordered_json event(const char* phase, const std::string& name, int64_t ns) {
  return {{"name", name}, {"ph", phase}, {"pid", kProcess}, {"tid", kThread}, {"ts", us(ns)}};
}

ordered_json metadata(const char* what, const std::string& name) {
  return {{"name", what}, {"ph", "M"}, {"pid", kProcess}, {"tid", kThread}, {"args", {{"name", name}}}};
}

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string words;
  for (const Shape& shape : shapes) words += (words.empty() ? "" : ", ") + to_string(shape);
  return words;
}

ordered_json arguments_of(const PlanRow& row, const Tally& executed) {
  ordered_json args{{"op", row.op}, {"kernel", row.kernel}, {"dtype", name_of(row.dtype)}, {"threads", row.threads}};
  args["input_shapes"] = shapes_text(row.input_shapes);
  args["output_shapes"] = shapes_text(row.output_shapes);
  args["nodes"] = row.nodes;
  args["ideal_macs"] = row.ideal.macs;
  args["ideal_bytes"] = row.ideal.bytes_read + row.ideal.bytes_weights + row.ideal.bytes_written;
  args["executed_macs"] = executed.macs;
  args["lane_macs"] = executed.lane_macs;
  args["lane_fma_other"] = executed.lane_fma_other;
  args["bytes_loaded"] = executed.bytes_loaded;
  args["bytes_stored"] = executed.bytes_stored;
  return args;
}

/// Rates while a row runs; one sample at its begin, for counters hold their value until the next.
ordered_json rates(const Tally& executed, int64_t begin_ns, int64_t ns) {
  const auto per_ns = [&](int64_t count) {
    return ns > 0 ? static_cast<double>(count) / static_cast<double>(ns) : 0.0;
  };
  ordered_json gmacs = event("C", "GMAC/s", begin_ns), bytes = event("C", "GB/s", begin_ns);
  gmacs["args"] = {{"used", per_ns(executed.macs)},
                   {"padding", per_ns(std::max<int64_t>(0, executed.lane_macs - executed.macs))}};
  bytes["args"] = {{"loaded", per_ns(executed.bytes_loaded)}, {"stored", per_ns(executed.bytes_stored)}};
  return ordered_json::array({std::move(gmacs), std::move(bytes)});
}

void add_run(ordered_json& events, const Plan& plan, const TracedRun& run) {
  ordered_json whole = event("X", run.name, run.begin_ns);
  whole["dur"] = us(run.ns);
  whole["cat"] = "run";
  events.push_back(std::move(whole));
  int64_t at = run.begin_ns;
  const int64_t end = run.begin_ns + run.ns;
  for (size_t r = 0; r < run.row_ns.size() && r < plan.rows.size(); ++r) {
    // Roundings may not carry a row beyond its run: slices must nest.
    const int64_t ns = std::min(run.row_ns[r], end - at);
    ordered_json slice = event("X", plan.rows[r].name, at);
    slice["dur"] = us(ns);
    slice["cat"] = plan.rows[r].op;
    const Tally& executed = r < run.executed.size() ? run.executed[r] : Tally{};
    slice["args"] = arguments_of(plan.rows[r], executed);
    events.push_back(std::move(slice));
    for (ordered_json& counter : rates(executed, at, ns)) events.push_back(std::move(counter));
    at += ns;
  }
  for (ordered_json& counter : rates(Tally{}, at, 1)) events.push_back(std::move(counter));
}

TracedRun timed_run(Context& context, RunRecord& record, const std::string& name, int64_t origin) {
  TracedRun run;
  const int64_t begin = ticks();
  context.run_recorded(record);
  run.ns = ns_of(ticks() - begin);
  run.begin_ns = ns_of(begin - origin);
  run.name = name;
  for (const int64_t row : record.ticks) run.row_ns.push_back(ns_of(row));
  return run;
}

}  // namespace

std::vector<TracedRun> trace_runs(Context& context, int runs) {
  RunRecord counted = context.make_record(true, false), timed = context.make_record(false, true);
  context.run_recorded(counted);
  context.run_recorded(timed);
  std::vector<TracedRun> traced;
  const int64_t origin = ticks();
  for (int k = 0; k < runs; ++k) {
    traced.push_back(timed_run(context, timed, formatted("run {}", k), origin));
    traced.back().executed = counted.tallies;
  }
  return traced;
}

std::vector<TracedRun> trace_steps(Context& context, Sequence& sequence, int64_t most) {
  const int64_t steps = std::min(most, sequence.steps());
  RunRecord counted = context.make_record(true, false), timed = context.make_record(false, true);
  std::vector<std::vector<Tally>> tallies;
  sequence.begin();
  for (int64_t k = 0; k < steps; ++k) {
    sequence.enter(k);
    context.run_recorded(counted);
    sequence.leave(k);
    tallies.push_back(counted.tallies);
  }
  std::vector<TracedRun> traced;
  sequence.begin();
  const int64_t origin = ticks();
  for (int64_t k = 0; k < steps; ++k) {
    sequence.enter(k);
    traced.push_back(timed_run(context, timed, formatted("step {}", k), origin));
    sequence.leave(k);
    traced.back().executed = std::move(tallies[static_cast<size_t>(k)]);
  }
  return traced;
}

ordered_json trace_document(const LoadedModel& loaded, const Plan& plan, const std::vector<TracedRun>& runs) {
  ordered_json events = ordered_json::array();
  events.push_back(metadata("process_name", "tally: " + loaded.name));
  events.push_back(metadata(
      "thread_name", formatted("{}, {} thread{}", name_of(plan.isa), plan.threads, plan.threads == 1 ? "" : "s")));
  for (const TracedRun& run : runs) add_run(events, plan, run);
  ordered_json document{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ns"}};
  document["otherData"] = new_document("trace", &loaded, plan.isa);
  document["otherData"]["clock_source"] = tick_source();
  return document;
}

void write_trace(const LoadedModel& loaded, const Plan& plan, const std::vector<TracedRun>& runs,
                 const std::string& file) {
  write_data(as_text(trace_document(loaded, plan, runs)), file);
}

}  // namespace tally::tools
