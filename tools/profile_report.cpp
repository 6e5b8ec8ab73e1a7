#include "tools/profile_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "tally/platforms/clock.h"
#include "tools/gap_terms.h"
#include "tools/machine.h"
#include "tools/numbers.h"

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
std::vector<Column> layer_columns(bool threaded, bool skips) {
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
  };
  for (const char* key : {"op", "nodes", "isa", "layouts", "lane_fma_other", "bytes_loaded", "bytes_stored", "ns_p10",
                          "ns_p90", "ns_min"})
    columns.push_back(csv_column(key));
  return columns;
}

Table layer_table(const Profile& profile) {
  Table table;
  double layers_ns = 0;
  Ideal ideal;
  bool skips = false;
  for (const ProfileRow& row : profile.rows) {
    layers_ns += row.ns.median;
    skips = skips || row.executed.macs != row.plan->ideal.macs;
  }
  table.columns = layer_columns(profile.plan->parallel, skips);
  for (const ProfileRow& row : profile.rows) {
    const PlanRow& plan = *row.plan;
    ideal.macs += plan.ideal.macs;
    ideal.bytes_read += ideal_bytes(plan);
    std::string nodes;
    for (const std::string& node : plan.nodes) nodes += (nodes.empty() ? "" : ";") + node;
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
                  rate(ideal.macs, profile.plain_ns.median)};
  table.totals.resize(table.columns.size(), std::string());
  return table;
}

/// The totals of CSV, whose rows are the layers alone.
Table totals_table(const Profile& profile) {
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
  add("weights_bytes", static_cast<int64_t>(profile.plan->weights_bytes));
  add("arena_bytes", static_cast<int64_t>(profile.plan->arena_bytes));
  return table;
}

double spread(const Distribution& d) { return d.median > 0 ? (d.p90 - d.p10) / d.median : 0; }

std::string_view skips_note(const Profile& profile) {
  for (const ProfileRow& row : profile.rows)
    if (row.executed.macs != row.plan->ideal.macs) return "; MACs are those whose product a result uses";
  return "; every ideal MAC was executed once";
}

std::vector<std::string> source_notes(const Profile& profile) {
  const Distribution& whole = profile.plain_ns;
  std::vector<std::string> notes;
  notes.push_back(fmt::format(
      "- ideal: analytic, free of any instruction set. executed: counted in the kernels, in a pass of their own; "
      "lanes are multiply-accumulate lanes issued, padding included{}. GMAC/s: ideal MACs over time.",
      skips_note(profile)));
  notes.push_back(
      fmt::format("- measured: timer ({}), medians of {} runs without counters. The total is the whole run without any "
                  "clock inside; reading the clock between layers adds {:+.1f} %, counting {:+.1f} %.",
                  tick_source(), whole.samples, 100 * profile.clock_overhead, 100 * profile.tally_overhead));
  notes.push_back(fmt::format(
      "- repeatability: whole runs {} to {} (p10 to p90), a spread of {:.1f} % of the median; load average {}.",
      duration_text(whole.p10), duration_text(whole.p90), 100 * spread(whole),
      load_average() ? fmt::format("{:.2f}", *load_average()) : "n/a"));
  notes.push_back("- cycles, instructions, cache misses: n/a, " + cycles_missing() + ".");
  notes.push_back("- energy: n/a, " + energy_missing() + ".");
  return notes;
}

}  // namespace

Report profile_report(const LoadedModel& loaded, const Profile& profile, bool every_gap) {
  const Plan& plan = *profile.plan;
  Report report;
  report.title = loaded.name + ": ideal | executed | measured";
  report.facts = {
      fmt::format("{} · {}", loaded.file.string(), cpu_name()),
      fmt::format(
          "{} · {} · weights {} · arena {}", name_of(plan.isa),
          plan.threads == 1 ? "1 thread"
                            : fmt::format("{} threads{}", plan.threads, plan.parallel ? "" : ", none worth waking"),
          bytes_text(static_cast<double>(plan.weights_bytes)), bytes_text(static_cast<double>(plan.arena_bytes)))};
  report.parts.push_back({"", layer_table(profile)});
  if (Table gaps = gap_table(profile.rows); !gaps.rows.empty()) {
    report.parts.push_back({"Why executed differs from ideal", std::move(gaps)});
    report.parts.push_back({"Gap by layer", layer_gap_table(profile.rows), true});
  }
  report.parts.push_back({"Totals", totals_table(profile), true});
  if (every_gap || plan.rows.size() <= kFewRows)
    report.notes = gap_lines(profile.rows);
  else if (report.parts.size() > 2)
    report.notes.push_back("Layer by layer: tally profile --gaps, or tally explain MODEL LAYER.");
  if (!report.notes.empty()) report.notes.emplace_back();
  for (std::string& note : source_notes(profile)) report.notes.push_back(std::move(note));
  return report;
}

}  // namespace tally::tools
