#include "tools/measure/profile_report.h"

#include <algorithm>
#include <cmath>

#include "tally/platforms/clock.h"
#include "tools/estimate/gap_terms.h"
#include "tools/measure/measurement_notes.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

/// Models of more rows get their gap by term only, unless asked for.
constexpr size_t kFewRows = 16;

int64_t ideal_bytes(const PlanRow& row) {
  return row.ideal.bytes_read + row.ideal.bytes_weights + row.ideal.bytes_written;
}
int64_t moved_bytes(const Tally& tally) { return tally.bytes_loaded + tally.bytes_stored; }

/// Ideal MACs a nanosecond = GMAC/s.
Cell rate(int64_t macs, double ns) {
  if (macs == 0) return 0.0;
  if (ns > 0) return static_cast<double>(macs) / ns;
  return {};
}

/// Operators of the nodes that a row stands for, in the graph's order: "Conv+Relu".
std::string operators_of(const PlanRow& row, const Estimate& estimate) {
  std::vector<int> origins = row.origins;
  std::sort(origins.begin(), origins.end());
  std::string text;
  for (const int origin : origins) text += (text.empty() ? "" : "+") + estimate.layers[static_cast<size_t>(origin)].op;
  return text.empty() ? row.op : text;
}

/// `skips`: some kernel leaves out products with padding zeros, so that used MACs are worth a column.
std::vector<Column> layer_columns(bool threaded, bool skips, const CounterRecord& counters) {
  // Estimates say no more than the times beside them.
  const bool cycles = !counter_source(counters).empty() && counters.counted(PerfEvent::cycles);
  const bool both = cycles && counters.counted(PerfEvent::instructions);
  std::vector<Column> columns = {
      {"name", "layer", Unit::path, "", 26},
      {"operators", "operators", Unit::text, "", 9, 4},
      {"kernel", "kernel", Unit::text, "", 0, 3},
      {.key = "threads", .title = "thr", .unit = Unit::figure, .priority = 6, .only_csv = !threaded},
      {"ideal_macs", "MACs", Unit::count, "ideal"},
      {"ideal_bytes", "bytes", Unit::bytes, "ideal", 0, 2},
      {.key = "executed_macs",
       .title = "MACs",
       .unit = Unit::count,
       .group = "executed",
       .priority = 5,
       .only_csv = !skips},
      {"lane_macs", "lanes", Unit::count, "executed"},
      {"bytes_moved", "bytes", Unit::bytes, "executed", 0, 2},
      {"ns_median", "time", Unit::ns, "measured"},
      {"share", "share", Unit::share, "measured"},
      {"gmacs_per_s", "GMAC/s", Unit::rate, "measured", 0, 1},
      {.key = "cycles",
       .title = "cycles",
       .unit = Unit::count,
       .group = "measured",
       .priority = 4,
       .only_csv = !cycles},
      {.key = "instructions_per_cycle",
       .title = "IPC",
       .unit = Unit::number,
       .group = "measured",
       .priority = 4,
       .only_csv = !both},
  };
  for (const char* key : {"op", "nodes", "isa", "layouts", "lane_fma_other", "bytes_loaded", "bytes_stored", "ns_p10",
                          "ns_p90", "ns_min", "cycle_source", "instructions", "cache_misses", "branch_misses",
                          "l1d_read_misses", "ll_read_misses", "counter_source", "energy_nj", "energy_source"})
    columns.push_back(csv_column(key));
  return columns;
}

Cell cell_of(const std::optional<double>& value) { return value ? Cell(std::llround(*value)) : Cell(); }

Cell cell_of(const std::string& text) { return text.empty() ? Cell() : Cell(text); }

Cell cell_of(const std::optional<int64_t>& value) { return value ? Cell(*value) : Cell(); }

Cell instructions_per_cycle(const PerfFigures& counted) {
  const auto cycles = counted[PerfEvent::cycles], instructions = counted[PerfEvent::instructions];
  return cycles && instructions && *cycles > 0 ? Cell(*instructions / *cycles) : Cell();
}

/// The cells of the last columns of layer_columns(), from cycle_source on.
void add_hardware_cells(const Figures& figures, const CounterRecord& counters, std::vector<Cell>& cells) {
  cells.push_back(cell_of(cycles_of(figures, counters).source));
  for (size_t e = 1; e < kPerfEvents; ++e) cells.push_back(cell_of(figures.counted.count[e]));
  cells.push_back(cell_of(counter_source(counters)));
  cells.push_back(cell_of(figures.energy_nj));
  cells.push_back(figures.energy_nj ? cell_of(figures.energy_source) : Cell());
}

Table layer_table(const Profile& profile, const MeasurementRecord& record) {
  Table table;
  const double layers_ns = rows_ns(profile);
  Ideal ideal;
  bool skips = false;
  for (const ProfileRow& row : profile.rows) skips = skips || row.executed.macs != row.plan->ideal.macs;
  table.columns = layer_columns(profile.plan->parallel, skips, record.counters);
  for (const ProfileRow& row : profile.rows) {
    const PlanRow& plan = *row.plan;
    ideal.macs += plan.ideal.macs;
    ideal.bytes_read += ideal_bytes(plan);
    std::string nodes;
    for (const std::string& node : plan.nodes) nodes += (nodes.empty() ? "" : ";") + node;
    const Figures figures = figures_of(row, profile, layers_ns);
    table.rows.push_back({plan.name,
                          operators_of(plan, profile.plan->estimate),
                          plan.kernel,
                          int64_t{plan.threads},
                          plan.ideal.macs,
                          ideal_bytes(plan),
                          row.executed.macs,
                          row.executed.lane_macs,
                          moved_bytes(row.executed),
                          row.ns.median,
                          layers_ns > 0 ? Cell(row.ns.median / layers_ns) : Cell(),
                          rate(plan.ideal.macs, row.ns.median),
                          cell_of(cycles_of(figures, record.counters).count),
                          instructions_per_cycle(row.counted),
                          plan.op,
                          nodes,
                          plan.on_host ? Cell() : Cell(std::string(name_of(profile.plan->isa))),
                          plan.layouts,
                          row.executed.lane_fma_other,
                          row.executed.bytes_loaded,
                          row.executed.bytes_stored,
                          row.ns.p10,
                          row.ns.p90,
                          row.ns.min});
    add_hardware_cells(figures, record.counters, table.rows.back());
  }
  table.totals = {std::string("total"),
                  std::string(),
                  std::string(),
                  std::string(),
                  ideal.macs,
                  ideal.bytes_read,
                  profile.executed.macs,
                  profile.executed.lane_macs,
                  moved_bytes(profile.executed),
                  profile.plain_ns.median,
                  layers_ns > 0 ? Cell(1.0) : Cell(),
                  rate(ideal.macs, profile.plain_ns.median),
                  cell_of(cycles_of(figures_of(profile, record), record.counters).count),
                  instructions_per_cycle(profile.counted)};
  table.totals.resize(table.columns.size(), std::string());
  return table;
}

/// The totals of CSV, whose rows are the layers alone.
Table totals_table(const Profile& profile, const MeasurementRecord& record) {
  Table table;
  table.columns = {csv_column("quantity"), csv_column("value")};
  const auto add = [&](const char* quantity, Cell value) {
    table.rows.push_back({std::string(quantity), std::move(value)});
  };
  Ideal ideal;
  for (const PlanRow& row : profile.plan->rows) {
    ideal.macs += row.ideal.macs;
    ideal.bytes_read += ideal_bytes(row);
  }
  add("ideal_macs", ideal.macs);
  add("ideal_bytes", ideal.bytes_read);
  add("executed_macs", profile.executed.macs);
  add("lane_macs", profile.executed.lane_macs);
  add("lane_fma_other", profile.executed.lane_fma_other);
  add("bytes_loaded", profile.executed.bytes_loaded);
  add("bytes_stored", profile.executed.bytes_stored);
  add("ns_median", profile.plain_ns.median);
  add("ns_p10", profile.plain_ns.p10);
  add("ns_p90", profile.plain_ns.p90);
  add("ns_min", profile.plain_ns.min);
  add("runs", int64_t{profile.plain_ns.samples});
  const Figures figures = figures_of(profile, record);
  const Cycles cycles = cycles_of(figures, record.counters);
  add("cycles", cell_of(cycles.count));
  add("cycle_source", cell_of(cycles.source));
  for (size_t e = 1; e < kPerfEvents; ++e)
    add(std::string(name_of(static_cast<PerfEvent>(e))).c_str(), cell_of(figures.counted.count[e]));
  add("energy_nj", cell_of(figures.energy_nj));
  add("energy_source", figures.energy_nj ? cell_of(figures.energy_source) : Cell());
  add("weights_bytes", static_cast<int64_t>(profile.plan->weights_bytes));
  add("arena_bytes", static_cast<int64_t>(profile.plan->arena_bytes));
  return table;
}

std::string_view skips_note(const Profile& profile) {
  for (const ProfileRow& row : profile.rows)
    if (row.executed.macs != row.plan->ideal.macs) return "; MACs are those whose product a result uses";
  return "; every ideal MAC was executed once";
}

/// ", counting … %", with its interval where there is one.
std::string counting_note(const Profile& profile) {
  if (profile.counting_ns.samples == 0) return "";
  std::string note = formatted(", counting {:+.2f} %", 100 * profile.tally_overhead);
  if (const auto& interval = profile.tally_overhead_ci95)
    note += formatted(" (95 % interval {:+.2f} to {:+.2f} %)", 100 * interval->low, 100 * interval->high);
  return note;
}

std::vector<std::string> source_notes(const Profile& profile, const MeasurementRecord& record) {
  const Distribution& whole = profile.plain_ns;
  std::vector<std::string> notes;
  notes.push_back(formatted(
      "- ideal: analytic, free of any instruction set. executed: counted in the kernels, in a pass of their own; "
      "lanes are multiply-accumulate lanes issued, padding included{}. GMAC/s: ideal MACs over time.",
      skips_note(profile)));
  notes.push_back(formatted(
      "- measured: timer ({}), medians of {} runs without counters. The total is the whole run without any clock "
      "inside; reading the clock between layers adds {:+.1f} %{}.",
      tick_source(), whole.samples, 100 * profile.clock_overhead, counting_note(profile)));
  for (std::string& note : measurement_notes(record, whole, figures_of(profile, record)))
    notes.push_back(std::move(note));
  return notes;
}

}  // namespace

Report profile_report(const LoadedModel& loaded, const Profile& profile, const MeasurementRecord& record,
                      bool every_gap) {
  const Plan& plan = *profile.plan;
  Report report;
  report.title = loaded.name + ": ideal | executed | measured";
  report.facts = {
      formatted("{} · {}", loaded.file.string(), cpu_name()),
      formatted("{} · {} · weights {} · arena {}", name_of(plan.isa),
                plan.threads == 1 ? "1 thread"
                                  : formatted("{} threads{}", plan.threads, plan.parallel ? "" : ", none worth waking"),
                bytes_text(static_cast<double>(plan.weights_bytes)),
                bytes_text(static_cast<double>(plan.arena_bytes)))};
  report.parts.push_back({"", layer_table(profile, record)});
  if (Table gaps = gap_table(profile.rows); !gaps.rows.empty()) {
    report.parts.push_back({"Why executed differs from ideal", std::move(gaps)});
    report.parts.push_back({"Gap by layer", layer_gap_table(profile.rows), true});
  }
  report.parts.push_back({"Totals", totals_table(profile, record), true});
  if (every_gap || plan.rows.size() <= kFewRows)
    report.notes = gap_lines(profile.rows);
  else if (report.parts.size() > 2)
    report.notes.push_back("Layer by layer: tally profile --gaps, or tally explain MODEL LAYER.");
  if (!report.notes.empty()) report.notes.emplace_back();
  for (std::string& note : source_notes(profile, record)) report.notes.push_back(std::move(note));
  return report;
}

}  // namespace tally::tools
