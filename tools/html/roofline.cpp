#include "tools/html/roofline.h"

#include <algorithm>
#include <cmath>

#include "tools/html/data_table.h"
#include "tools/html/layer_style.h"
#include "tools/html/plot.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

constexpr int kMostDecades = 6;
constexpr size_t kMostNumbered = 40;

struct Point {
  size_t layer = 0;
  double intensity = 0;  ///< FLOP/B
  double flop_per_ns = 0;
  double weight = 0;  ///< share of the time, or of the MACs
};

double flop_per_ns(const RecordedRoof& roof) { return 2e-9 * roof.per_s; }
double byte_per_ns(const RecordedRoof& roof) { return 1e-9 * roof.per_s; }

/// Whether a figure can be drawn: what a machine may reach in this century.
bool drawable(double value) { return value > 1e-30 && value < 1e30; }

std::vector<Point> points_of(const Recording& recording, const std::vector<RecordedRoof>& roofs) {
  std::vector<Point> points;
  double total = 0;
  const bool estimate = recording.kind == RecordingKind::estimate;
  for (size_t i = 0; i < recording.layers.size(); ++i) {
    const RecordedLayer& layer = recording.layers[i];
    const auto macs = count_of(layer.counts, estimate ? "macs" : "executed_macs");
    const auto intensity = layer.intensity();
    if (!macs || *macs <= 0 || !intensity || !(*intensity > 0)) continue;
    const double flop = 2.0 * static_cast<double>(*macs);
    if (estimate) {
      const auto limit = attainable(roofs, *intensity);
      if (!limit) continue;
      points.push_back({i, *intensity, *limit * 1e-9, flop});
    } else if (layer.ns.median.value_or(0) > 0) {
      points.push_back({i, *intensity, flop / *layer.ns.median, *layer.ns.median});
    }
    if (points.empty() || points.back().layer != i) continue;
    if (drawable(points.back().intensity) && drawable(points.back().flop_per_ns))
      total += points.back().weight;
    else
      points.pop_back();
  }
  for (Point& point : points) point.weight = total > 0 ? point.weight / total : 0;
  // Small ones last, so that large ones do not hide them.
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.weight > b.weight; });
  return points;
}

/// Axes that hold all points, and the corner of the roofs.
Plot plot_of(const std::vector<Point>& points, const std::vector<RecordedRoof>& roofs) {
  double x0 = points[0].intensity, x1 = x0, y0 = points[0].flop_per_ns, y1 = y0;
  for (const Point& p : points) {
    x0 = std::min(x0, p.intensity);
    x1 = std::max(x1, p.intensity);
    y0 = std::min(y0, p.flop_per_ns);
    y1 = std::max(y1, p.flop_per_ns);
  }
  for (const RecordedRoof& compute : roofs) {
    if (!compute.compute) continue;
    y1 = std::max(y1, flop_per_ns(compute) * 1.2);
    for (const RecordedRoof& memory : roofs)
      if (!memory.compute) x1 = std::max(x1, 1.5 * flop_per_ns(compute) / byte_per_ns(memory));
  }
  Plot plot;
  plot.title = "Roofline: GFLOP/s against FLOP a byte, both logarithmic";
  plot.x_title = "intensity, FLOP/B";
  plot.y_title = "GFLOP/s";
  plot.x = log_axis(x0 * 0.8, x1 * 1.2, kMostDecades);
  plot.y = log_axis(y0 * 0.8, y1, kMostDecades);
  plot.height = 380;
  return plot;
}

/// Sloping roofs, fastest first. Names of lines too close for words of their own are joined.
void draw_memory_roofs(Markup& out, const Plot& plot, std::vector<RecordedRoof> roofs, double ceiling) {
  std::stable_sort(roofs.begin(), roofs.end(),
                   [](const RecordedRoof& a, const RecordedRoof& b) { return a.per_s > b.per_s; });
  constexpr double kLine_px = 17;
  std::string joined;
  for (size_t i = 0; i < roofs.size(); ++i) {
    const double b = byte_per_ns(roofs[i]);
    const double from = std::max(plot.x.from, plot.y.from / b), to = std::min(plot.x.to, ceiling / b);
    joined += (joined.empty() ? "" : ", ") + roofs[i].name;
    if (from < to) draw_line(out, plot, from, b * from, to, b * to, "roof");
    const bool close =
        i + 1 < roofs.size() && std::fabs(plot.y.at(b) - plot.y.at(byte_per_ns(roofs[i + 1]))) * plot.height < kLine_px;
    if (close) continue;
    const bool at_bottom = from > plot.x.from;
    if (from < to)
      draw_words(out, plot, from, b * from, at_bottom ? 44 : 6, at_bottom ? -5 : 15, joined, "start", "roof-name");
    joined.clear();
  }
}

void draw_roofs(Markup& out, const Plot& plot, const std::vector<RecordedRoof>& roofs) {
  std::vector<RecordedRoof> memory, compute;
  for (const RecordedRoof& roof : roofs) (roof.compute ? compute : memory).push_back(roof);
  double fastest = 0, ceiling = plot.y.to;
  for (const RecordedRoof& roof : memory) fastest = std::max(fastest, byte_per_ns(roof));
  if (!compute.empty()) ceiling = 0;
  for (const RecordedRoof& roof : compute) ceiling = std::max(ceiling, flop_per_ns(roof));
  draw_memory_roofs(out, plot, memory, ceiling);
  for (const RecordedRoof& roof : compute) {
    const double y = flop_per_ns(roof);
    const double from = fastest > 0 ? std::max(plot.x.from, y / fastest) : plot.x.from;
    if (y < plot.y.from || !(from < plot.x.to)) continue;
    draw_line(out, plot, from, y, plot.x.to, y, "roof");
    draw_words(out, plot, plot.x.to, y, -4, -6, roof.name, "end", "roof-name");
  }
}

/// Which roof is lowest over an intensity.
std::string bound_at(const std::vector<RecordedRoof>& roofs, double intensity) {
  const RecordedRoof* lowest = nullptr;
  const auto limit = attainable(roofs, intensity);
  for (const RecordedRoof& roof : roofs)
    if (limit && (roof.compute ? 2 : intensity) * roof.per_s == *limit) lowest = &roof;
  return lowest == nullptr ? "" : lowest->compute ? "compute" : lowest->name;
}

/// The document's, else by the roofs drawn.
std::optional<double> share_of_roof(const RecordedLayer& layer, const Point& p,
                                    const std::vector<RecordedRoof>& roofs) {
  const auto limit = attainable(roofs, p.intensity);
  if (layer.roof_share || !limit || !layer.ns.median) return layer.roof_share;
  return 1e9 * p.flop_per_ns / *limit;
}

std::string name_of_point(const Recording& recording, const Point& p, const std::vector<RecordedRoof>& roofs) {
  std::string name =
      formatted("{}: {:.3g} FLOP/B, {:.3g} GFLOP/s", layer_name(recording, p.layer), p.intensity, p.flop_per_ns);
  const RecordedLayer& layer = recording.layers[p.layer];
  if (layer.ns.median) name += ", " + duration_text(*layer.ns.median);
  const std::string bound = layer.bound.empty() ? bound_at(roofs, p.intensity) : layer.bound;
  if (const auto share = share_of_roof(layer, p, roofs); share && !bound.empty())
    name += formatted(", {:.0f} % of what {} allows", 100 * *share, bound);
  return name;
}

DataCell intensity_cell(const RecordedLayer& layer, const std::string& bytes) {
  for (const auto& [of, number] : layer.intensities)
    if (of == bytes) return {formatted("{:.3g}", number), number};
  return {};
}

DataTable table_of(const Recording& recording, const std::vector<Point>& points,
                   const std::vector<RecordedRoof>& roofs) {
  DataTable table;
  table.caption = "The points of the roofline";
  table.columns = {{"layer", false}, {"intensity", true, "FLOP/B"}, {"GFLOP/s"}, {"time"}, {"bound", false},
                   {"of its roof"}};
  // By what bytes else: each tensor once, those that miss a cache.
  std::vector<std::string> more;
  for (const Point& p : points)
    for (const auto& [bytes, number] : recording.layers[p.layer].intensities)
      if (bytes != "issued" && std::find(more.begin(), more.end(), bytes) == more.end()) more.push_back(bytes);
  for (const std::string& bytes : more) table.columns.push_back({bytes, true, "FLOP/B"});
  std::vector<Point> ordered = points;
  std::sort(ordered.begin(), ordered.end(), [](const Point& a, const Point& b) { return a.layer < b.layer; });
  for (const Point& p : ordered) {
    const RecordedLayer& layer = recording.layers[p.layer];
    table.rows.push_back({{layer_name(recording, p.layer), static_cast<double>(p.layer)},
                          {formatted("{:.3g}", p.intensity), p.intensity},
                          number_cell(p.flop_per_ns, 1),
                          time_cell(layer.ns.median ? layer.ns.median : layer.roof_ns),
                          words_cell(layer.bound.empty() ? bound_at(roofs, p.intensity) : layer.bound),
                          share_cell(share_of_roof(layer, p, roofs))});
    for (const std::string& bytes : more) table.rows.back().push_back(intensity_cell(layer, bytes));
  }
  return table;
}

/// `source`: whose roofs they are, or why there are none.
void write_roof_list(Markup& out, const std::vector<RecordedRoof>& roofs, const std::string& source) {
  if (roofs.empty()) {
    out.leaf("p", "No roofs are drawn: " + source + ".", {{"class", "note"}});
    return;
  }
  std::string words = source.empty() ? "Roofs: " : "Roofs of " + source + ": ";
  for (size_t i = 0; i < roofs.size(); ++i)
    words += formatted("{}{} {}", i == 0 ? "" : " · ", roofs[i].name,
                       roofs[i].compute ? formatted("{:.4g} GFLOP/s", flop_per_ns(roofs[i]))
                                        : formatted("{:.4g} GB/s", byte_per_ns(roofs[i])));
  out.leaf("p", words + ".", {{"class", "note"}});
}

}  // namespace

std::optional<double> attainable(const std::vector<RecordedRoof>& roofs, double intensity) {
  double compute = 0, memory = 0;
  for (const RecordedRoof& roof : roofs) {
    double& fastest = roof.compute ? compute : memory;
    fastest = std::max(fastest, roof.per_s);
  }
  if (compute <= 0 && memory <= 0) return std::nullopt;
  if (compute <= 0) return intensity * memory;
  if (memory <= 0) return 2 * compute;
  return std::min(2 * compute, intensity * memory);
}

void write_roofline(Markup& out, const Recording& recording, const std::vector<RecordedRoof>& roofs,
                    const std::string& source) {
  const std::vector<Point> points = points_of(recording, roofs);
  const bool estimate = recording.kind == RecordingKind::estimate;
  out.open("figure").leaf("h3", "Roofline");
  if (points.empty()) {
    write_roof_list(out, roofs, source);
    if (!roofs.empty())
      out.leaf("p", "No layer has both MACs and a time: there is nothing to draw.", {{"class", "note"}});
    out.close();
    return;
  }
  out.leaf("figcaption",
           estimate
               ? "Where the roofs would have each layer, by operations ÷ compulsory bytes. Larger discs have more MACs."
               : "Executed FLOP a second against executed FLOP a byte that kernels load and store, "
                 "whichever cache answers. Larger discs take more of the time; layers without MACs are not here.");
  const LayerStyle style = style_of(recording);
  const Plot plot = plot_of(points, roofs);
  open_plot(out, plot);
  draw_roofs(out, plot, roofs);
  const bool few = points.size() <= kMostNumbered;
  for (size_t i = 0; i < points.size(); ++i) {
    const Point& p = points[i];
    const bool numbered = few || style.coloured(p.layer);
    draw_mark(out, plot,
              {.x = p.intensity,
               .y = p.flop_per_ns,
               .radius = numbered ? 9 + 7 * std::sqrt(p.weight) : 4.5,
               .name = name_of_point(recording, p, roofs),
               .number = numbered ? LayerStyle::number(p.layer) : "",
               .kind = style.kind(p.layer)});
  }
  close_plot(out);
  write_roof_list(out, roofs, source);
  write_table(out, table_of(recording, points, roofs));
  out.close();
}

}  // namespace tally::tools
