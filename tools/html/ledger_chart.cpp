#include "tools/html/ledger_chart.h"

#include <algorithm>

#include "tools/html/data_table.h"
#include "tools/html/plot.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

/// Steps that are drawn and tabled; of longer sequences an even selection.
constexpr size_t kMostSteps = 256;

std::vector<size_t> selection(size_t steps) {
  std::vector<size_t> chosen;
  const size_t n = std::min(steps, kMostSteps);
  for (size_t k = 0; k < n; ++k) chosen.push_back(n < 2 ? 0 : k * (steps - 1) / (n - 1));
  return chosen;
}

std::optional<double> moved(const RecordedStep& step) {
  const auto bytes = sum_of(step.counts, {"bytes_loaded", "bytes_stored"});
  if (!bytes) return std::nullopt;
  return static_cast<double>(*bytes);
}

struct Series {
  const char *title, *y_title, *constant;  ///< the last: after its value, where that is always the same
  std::string (*words)(double);
  std::optional<double> (*value)(const RecordedStep&);
};

std::string counted(double value) { return with_thousands(value, 0); }

constexpr Series kSeries[] = {
    {"Time of each step", "ns", "", duration_text, [](const RecordedStep& s) { return s.ns.median; }},
    {"MACs executed in each step", "MACs", " MACs", counted,
     [](const RecordedStep& s) {
       const auto macs = count_of(s.counts, "macs");
       return macs ? std::optional<double>(static_cast<double>(*macs)) : std::nullopt;
     }},
    {"Bytes loaded and stored in each step", "bytes", " loaded and stored", bytes_text, moved},
    {"State kept after each step", "bytes", " of state", bytes_text,
     [](const RecordedStep& s) { return std::optional<double>(static_cast<double>(s.state_bytes)); }},
};

/// The band between the 10th and the 90th percentile of each step's time.
void draw_spread(Markup& out, const Plot& plot, const Recording& ledger, const std::vector<size_t>& chosen) {
  Curve low, high;
  for (const size_t k : chosen) {
    const RecordedStep& step = ledger.steps[k];
    if (!step.ns.p10 || !step.ns.p90) return;
    for (Curve* curve : {&low, &high}) curve->x.push_back(static_cast<double>(step.step));
    low.y.push_back(*step.ns.p10);
    high.y.push_back(std::min(*step.ns.p90, plot.y.to));
  }
  draw_band(out, plot, low, high, "spread");
}

/// What a series says of the chosen steps.
Curve curve_of(const Recording& ledger, const Series& series, const std::vector<size_t>& chosen) {
  Curve curve;
  for (const size_t k : chosen) {
    const auto value = series.value(ledger.steps[k]);
    if (!value) continue;
    curve.x.push_back(static_cast<double>(ledger.steps[k].step));
    curve.y.push_back(*value);
  }
  return curve;
}

bool is_time(const Series& series) { return series.value == kSeries[0].value; }

/// Draws a series that changes; of one that does not, what it is always.
std::string write_series(Markup& out, const Recording& ledger, const Series& series,
                         const std::vector<size_t>& chosen) {
  const Curve curve = curve_of(ledger, series, chosen);
  if (curve.y.empty()) return {};
  const auto [least, most] = std::minmax_element(curve.y.begin(), curve.y.end());
  if (*most <= 0) return {};
  if (*least == *most && !is_time(series)) return series.words(*most) + series.constant;
  out.open("figure").leaf("h3", series.title);
  Plot plot;
  plot.title = series.title;
  plot.x_title = "step";
  plot.y_title = series.y_title;
  plot.x = {curve.x.front(), std::max(curve.x.back(), curve.x.front() + 1), false};
  plot.y = linear_axis(*most);
  plot.height = 200;
  open_plot(out, plot);
  if (is_time(series)) draw_spread(out, plot, ledger, chosen);
  draw_curve(out, plot, curve, "c1");
  for (size_t i = 0; i < curve.y.size(); ++i)
    draw_mark(out, plot,
              {.x = curve.x[i],
               .y = curve.y[i],
               .radius = curve.y.size() > 40 ? 2.5 : 4,
               .name = formatted("step {}: {}", curve.x[i], series.words(curve.y[i])),
               .number = {},
               .kind = "c1"});
  close_plot(out);
  out.close();
  return {};
}

DataTable step_table(const Recording& ledger, const std::vector<size_t>& chosen) {
  DataTable table;
  table.caption = chosen.size() < ledger.steps.size()
                      ? formatted("{} of {} steps, evenly chosen", chosen.size(), ledger.steps.size())
                      : std::string("Every step");
  table.columns = {{"step", false}, {"MACs"},   {"lanes"}, {"loaded"}, {"stored"},
                   {"state"},       {"median"}, {"p10"},   {"p90"}};
  for (const size_t k : chosen) {
    const RecordedStep& s = ledger.steps[k];
    table.rows.push_back({{std::to_string(s.step), static_cast<double>(s.step)},
                          count_cell(count_of(s.counts, "macs")),
                          count_cell(count_of(s.counts, "lane_macs")),
                          bytes_cell(count_of(s.counts, "bytes_loaded")),
                          bytes_cell(count_of(s.counts, "bytes_stored")),
                          bytes_cell(s.state_bytes),
                          time_cell(s.ns.median),
                          time_cell(s.ns.p10),
                          time_cell(s.ns.p90)});
  }
  return table;
}

DataTable phase_table(const Recording& ledger) {
  DataTable table;
  table.caption = "The sequence at once, and step by step";
  table.columns = {{"phase", false}, {"MACs"}, {"loaded"}, {"stored"}, {"time"}, {"a step"}};
  const auto add = [&](const char* name, const RecordedLayer& phase) {
    const auto steps = static_cast<double>(ledger.steps.size());
    const auto each = phase.ns.median && steps > 0 ? std::optional(*phase.ns.median / steps) : std::nullopt;
    table.rows.push_back({words_cell(name), count_cell(count_of(phase.counts, "macs")),
                          bytes_cell(count_of(phase.counts, "bytes_loaded")),
                          bytes_cell(count_of(phase.counts, "bytes_stored")), time_cell(phase.ns.median),
                          time_cell(each)});
  };
  if (ledger.at_once) add("at once (prefill)", *ledger.at_once);
  add("step by step (decode)", ledger.totals);
  return table;
}

}  // namespace

void write_ledger(Markup& out, const Recording& ledger) {
  const std::vector<size_t> chosen = selection(ledger.steps.size());
  std::string constant;
  for (const Series& series : kSeries)
    if (const std::string words = write_series(out, ledger, series, chosen); !words.empty())
      constant += (constant.empty() ? "" : ", ") + words;
  out.open("figure").leaf("h3", "Steps in figures");
  if (!constant.empty()) out.leaf("figcaption", "The same in every step: " + constant + ".");
  write_table(out, phase_table(ledger));
  write_table(out, step_table(ledger, chosen));
  out.close();
}

}  // namespace tally::tools
