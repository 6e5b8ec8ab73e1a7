#include "tools/html/histogram.h"

#include <algorithm>

#include "tools/html/data_table.h"
#include "tools/html/plot.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

struct Scale {
  double divisor;
  const char* unit;
};

Scale scale_of(double ns) {
  if (ns < 1e3) return {1, "ns"};
  if (ns < 1e6) return {1e3, "µs"};
  if (ns < 1e9) return {1e6, "ms"};
  return {1e9, "s"};
}

DataTable percentiles(const RecordedTimes& t) {
  DataTable table;
  table.caption = "Latency";
  table.columns = {{"figure", false}, {"latency"}};
  const std::pair<const char*, std::optional<double>> figures[] = {{"minimum", t.min},
                                                                   {"10th percentile", t.p10},
                                                                   {"median", t.median},
                                                                   {"90th percentile", t.p90},
                                                                   {"99th percentile", t.p99},
                                                                   {"mean", t.mean},
                                                                   {"standard deviation", t.stddev}};
  for (const auto& [name, value] : figures) table.rows.push_back({words_cell(name), time_cell(value)});
  if (t.low && t.high)
    table.rows.push_back({words_cell("95 % interval of the median"),
                          words_cell(duration_text(*t.low) + " to " + duration_text(*t.high))});
  table.rows.push_back({words_cell("samples"), count_cell(t.samples)});
  return table;
}

DataTable bins_of(const RecordedHistogram& h) {
  DataTable table;
  table.caption = "Runs by latency";
  table.columns = {{"from", false}, {"to"}, {"runs"}};
  for (size_t i = 0; i < h.counts.size(); ++i) {
    const double from = h.from_ns + static_cast<double>(i) * h.width_ns;
    table.rows.push_back({{duration_text(from), from}, time_cell(from + h.width_ns), count_cell(h.counts[i])});
  }
  if (h.above > 0) table.rows.push_back({words_cell("beyond"), words_cell(""), count_cell(h.above)});
  return table;
}

void draw_bins(Markup& out, const Plot& plot, const RecordedHistogram& h, double divisor) {
  for (size_t i = 0; i < h.counts.size(); ++i) {
    if (h.counts[i] == 0) continue;
    const double from = h.from_ns + static_cast<double>(i) * h.width_ns, to = from + h.width_ns;
    const std::string name =
        formatted("{} to {}: {} runs", duration_text(from), duration_text(to), with_thousands(h.counts[i]));
    const double y = static_cast<double>(h.counts[i]);
    out.open("g", {{"class", "mark bin"}, {"tabindex", "0"}, {"role", "img"}, {"aria-label", name}})
        .leaf("title", name);
    out.single("rect", {{"x", plot.left(from / divisor)},
                        {"y", plot.top(y)},
                        {"width", percent(plot.x.at(to / divisor) - plot.x.at(from / divisor))},
                        {"height", percent(plot.y.at(y))}});
    out.close();
  }
}

/// Lines at percentiles, their names on heights of their own.
void draw_percentiles(Markup& out, const Plot& plot, const RecordedTimes& t, double divisor) {
  double height = 14;
  for (const auto& [name, value] : {std::pair{"p10", t.p10}, {"median", t.median}, {"p90", t.p90}, {"p99", t.p99}}) {
    if (!value) continue;
    const double x = *value / divisor, share = plot.x.at(x);
    if (share < 0 || share > 1) continue;
    draw_line(out, plot, x, plot.y.from, x, plot.y.to, "percentile");
    const bool right = share > 0.6;
    draw_words(out, plot, x, plot.y.to, right ? -5 : 5, height, formatted("{} {}", name, duration_text(*value)),
               right ? "end" : "start", "roof-name");
    height += 16;
  }
}

}  // namespace

void write_histogram(Markup& out, const Recording& bench) {
  const RecordedTimes& t = bench.totals.ns;
  out.open("figure").leaf("h3", "Latency");
  if (!bench.histogram || bench.histogram->counts.empty()) {
    out.leaf("p", "The document holds percentiles only, no histogram.", {{"class", "note"}});
    write_table(out, percentiles(t));
    out.close();
    return;
  }
  const RecordedHistogram& h = *bench.histogram;
  const double to = h.from_ns + h.width_ns * static_cast<double>(h.counts.size());
  const Scale scale = scale_of(to);
  std::string caption = formatted("Single runs, in bins of {}.", duration_text(h.width_ns));
  if (h.above > 0)
    caption += formatted(" {} took longer than {} and {} not drawn{}.", h.above == 1 ? "One" : with_thousands(h.above),
                         duration_text(to), h.above == 1 ? "is" : "are",
                         h.max_ns ? ", the longest " + duration_text(*h.max_ns) : "");
  out.leaf("figcaption", caption);
  Plot plot;
  plot.title = "Histogram of latencies";
  plot.x_title = std::string("latency, ") + scale.unit;
  plot.y_title = "runs";
  plot.x = linear_axis(h.from_ns / scale.divisor, to / scale.divisor);
  plot.y = linear_axis(static_cast<double>(*std::max_element(h.counts.begin(), h.counts.end())));
  plot.height = 260;
  open_plot(out, plot);
  draw_bins(out, plot, h, scale.divisor);
  draw_percentiles(out, plot, t, scale.divisor);
  close_plot(out);
  write_table(out, percentiles(t));
  write_table(out, bins_of(h));
  out.close();
}

}  // namespace tally::tools
