#include "tools/estimate/sweep.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

constexpr size_t kMostPoints = 256;

struct Figure {
  const char* key;
  const char* title;
  int64_t EstimateTotals::*value;
  Unit unit;
  int priority;
};

constexpr Figure kFigures[] = {
    {"params", "params", &EstimateTotals::params, Unit::count, 4},
    {"macs", "MACs", &EstimateTotals::macs, Unit::count, 0},
    {"operations", "operations", &EstimateTotals::operations, Unit::count, 3},
    {"bytes_compulsory", "compulsory", &EstimateTotals::bytes_compulsory, Unit::bytes, 0},
    {"peak_activation_bytes", "peak live", &EstimateTotals::peak_activation_bytes, Unit::bytes, 1},
    {"training_elements", "training", &EstimateTotals::training_elements, Unit::count, 2},
};

[[noreturn]] void refuse(const std::string& found, const std::string& required) {
  fail("--sweep", "'" + found + "'", required, ErrorCode::usage);
}

SweepAxis parse_axis(const std::string& item) {
  const size_t equals = item.rfind('=');
  if (equals == std::string::npos || equals == 0) refuse(item, "must be NAME=N,N,…");
  SweepAxis axis{item.substr(0, equals), {}};
  for (size_t at = equals + 1; at <= item.size();) {
    const size_t end = std::min(item.find(',', at), item.size());
    int64_t value = 0;
    const auto [stop, error] = std::from_chars(item.data() + at, item.data() + end, value);
    if (error != std::errc() || stop != item.data() + end || value < 1) refuse(item, "must be NAME=N,N,… with N >= 1");
    axis.values.push_back(value);
    at = end + 1;
  }
  return axis;
}

bool is_symbolic(const Graph& graph, const std::string& name) {
  for (const ValueInfo& input : graph.inputs)
    if (input.shape &&
        std::any_of(input.shape->begin(), input.shape->end(), [&](const Dim& d) { return d.name == name; }))
      return true;
  return false;
}

/// Which extents of which inputs "batch" or INPUT.AXIS means; nothing where it is neither.
std::vector<Dim*> extents_of(Graph& graph, const std::string& name) {
  std::vector<Dim*> extents;
  if (name == "batch") {
    for (ValueInfo& input : graph.inputs)
      if (input.shape && !input.shape->empty()) extents.push_back(&input.shape->front());
    const auto differs = [&](const Dim* d) { return !(*d == *extents.front()); };
    if (std::any_of(extents.begin(), extents.end(), differs))
      refuse(name, "must be a symbolic dimension or INPUT.AXIS where inputs' leading extents differ");
    return extents;
  }
  const size_t dot = name.rfind('.');
  for (ValueInfo& input : graph.inputs) {
    if (dot == std::string::npos || input.name != name.substr(0, dot) || !input.shape) continue;
    size_t axis = 0;
    const auto [stop, error] = std::from_chars(name.data() + dot + 1, name.data() + name.size(), axis);
    if (error == std::errc() && stop == name.data() + name.size() && axis < input.shape->size())
      extents.push_back(&(*input.shape)[axis]);
  }
  return extents;
}

void bind(Graph& graph, LoadOptions& options, const std::string& name, int64_t value) {
  if (is_symbolic(graph, name)) {
    if (options.dims.contains(name)) refuse(name, "must not be bound by --dim as well");
    options.dims[name] = value;
    return;
  }
  const std::vector<Dim*> extents = extents_of(graph, name);
  if (extents.empty()) {
    std::string names;
    for (const ValueInfo& input : graph.inputs)
      if (input.shape)
        for (const Dim& d : *input.shape)
          if (!d.name.empty() && names.find(d.name) == std::string::npos) names += d.name + ", ";
    refuse(name, "must be a symbolic dimension, batch, or INPUT.AXIS; there are " + names + "batch");
  }
  for (Dim* extent : extents) *extent = Dim{value, ""};
  for (ValueInfo& output : graph.outputs) output.shape.reset();  // declared for other extents
}

std::string point_name(const std::vector<SweepAxis>& axes, const std::vector<int64_t>& values) {
  std::string name;
  for (size_t a = 0; a < axes.size(); ++a) name += formatted("{}{}={}", a == 0 ? "" : ", ", axes[a].name, values[a]);
  return name;
}

EstimateTotals estimate_point(Graph graph, LoadOptions options, const std::vector<SweepAxis>& axes,
                              const std::vector<int64_t>& values) {
  for (size_t a = 0; a < axes.size(); ++a) bind(graph, options, axes[a].name, values[a]);
  try {
    return Model(std::move(graph), std::move(options)).estimate().totals;
  } catch (const Error& e) {
    throw Error(e.code, "at " + point_name(axes, values) + ": " + e.node, e.found, e.required);
  }
}

/// `width` columns for 1, in eighths of a column; something for whatever is not 0.
std::string bar(double share, int width) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<int>(std::lround(share * 8 * width));
  std::string text;
  for (int i = 0; i < eighths / 8; ++i) text += "█";
  text += kEighths[eighths % 8];
  return text.empty() && share > 0 ? "▏" : text;
}

ReportPart plot_part(const std::vector<SweepAxis>& axes, const std::vector<SweepPoint>& points, const Figure& figure) {
  constexpr int kBarWidth = 50;
  Table table;
  table.columns = {{"point", "at", Unit::text, "", 12}, {"value", figure.title, figure.unit}, {"bar", "", Unit::text}};
  table.columns.back().never_csv = true;
  int64_t most = 1;
  for (const SweepPoint& point : points) most = std::max(most, point.totals.*figure.value);
  for (const SweepPoint& point : points) {
    const int64_t value = point.totals.*figure.value;
    table.rows.push_back({point_name(axes, point.values), value,
                          bar(static_cast<double>(value) / static_cast<double>(most), kBarWidth)});
  }
  return {figure.key, std::move(table)};
}

}  // namespace

std::vector<std::string> sweep_figures() {
  std::vector<std::string> keys;
  for (const Figure& figure : kFigures) keys.emplace_back(figure.key);
  return keys;
}

std::vector<SweepAxis> parse_sweep(const std::vector<std::string>& items) {
  std::vector<SweepAxis> axes;
  size_t points = 1;
  for (const std::string& item : items) {
    SweepAxis axis = parse_axis(item);
    if (std::any_of(axes.begin(), axes.end(), [&](const SweepAxis& a) { return a.name == axis.name; }))
      refuse(item, "must not sweep one extent twice");
    points *= axis.values.size();
    if (points > kMostPoints) refuse(item, text("must make at most ", kMostPoints, " points"));
    axes.push_back(std::move(axis));
  }
  return axes;
}

std::vector<SweepPoint> run_sweep(const Graph& graph, const LoadOptions& options, const std::vector<SweepAxis>& axes) {
  std::vector<std::vector<int64_t>> combinations{{}};
  for (const SweepAxis& axis : axes) {
    std::vector<std::vector<int64_t>> longer;
    for (const std::vector<int64_t>& head : combinations)
      for (int64_t value : axis.values) {
        longer.push_back(head);
        longer.back().push_back(value);
      }
    combinations = std::move(longer);
  }
  std::vector<SweepPoint> points;
  for (std::vector<int64_t>& values : combinations) {
    const EstimateTotals totals = estimate_point(graph, options, axes, values);
    points.push_back({std::move(values), totals});
  }
  return points;
}

std::vector<ReportPart> sweep_parts(const std::vector<SweepAxis>& axes, const std::vector<SweepPoint>& points,
                                    const std::string& plot) {
  Table table;
  for (const SweepAxis& axis : axes) table.columns.push_back({axis.name, axis.name, Unit::figure});
  for (const Figure& figure : kFigures)
    table.columns.push_back({.key = figure.key,
                             .title = figure.title,
                             .unit = figure.unit,
                             .priority = figure.priority,
                             .hide_zeros = true});
  table.columns.push_back({"intensity", "op/B", Unit::number});
  for (const SweepPoint& point : points) {
    std::vector<Cell> row;
    for (int64_t value : point.values) row.emplace_back(value);
    for (const Figure& figure : kFigures) row.emplace_back(point.totals.*figure.value);
    row.emplace_back(point.totals.intensity);
    table.rows.push_back(std::move(row));
  }
  std::vector<ReportPart> parts{{"Sweep", std::move(table)}};
  for (const Figure& figure : kFigures)
    if (plot == figure.key) parts.push_back(plot_part(axes, points, figure));
  return parts;
}

nlohmann::ordered_json sweep_json(const std::vector<SweepAxis>& axes, const std::vector<SweepPoint>& points) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const SweepPoint& point : points) {
    nlohmann::ordered_json item;
    for (size_t a = 0; a < axes.size(); ++a) item["at"][axes[a].name] = point.values[a];
    for (const Figure& figure : kFigures) item[figure.key] = point.totals.*figure.value;
    item["intensity"] = point.totals.intensity;
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace tally::tools
