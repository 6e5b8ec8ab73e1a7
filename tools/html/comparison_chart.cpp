#include "tools/html/comparison_chart.h"

#include <algorithm>

#include "tools/compare/comparison.h"
#include "tools/html/data_table.h"
#include "tools/html/plot.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

constexpr size_t kMostRows = 40;

/// "A", "B" … for people; "27" after "Z".
std::string letter_of(size_t index) {
  return index < 26 ? std::string(1, static_cast<char>('A' + index)) : std::to_string(index + 1);
}

std::string setting_of(const Recording& r) {
  std::string words = r.isa;
  if (r.threads) words += formatted("{}{} thread{}", words.empty() ? "" : ", ", *r.threads, *r.threads == 1 ? "" : "s");
  return words;
}

/// What one recording says of the whole: ns a run, a step, or nothing.
std::optional<double> time_of(const Recording& r) { return r.totals.ns.median; }

DataTable overview_table(const std::vector<Recording>& recordings, const std::vector<size_t>& which) {
  DataTable table;
  table.caption = "The documents as a whole";
  table.columns = {{"document", false}, {"kind", false}, {"model", false}, {"machine", false},
                   {"setting", false},  {"time"},        {"MACs"},         {"lanes"},
                   {"bytes moved"},     {"GMAC/s"}};
  for (const size_t i : which) {
    const Recording& r = recordings[i];
    const auto macs = count_of(r.totals.counts, "macs");
    const auto rate =
        macs && time_of(r).value_or(0) > 0 ? std::optional(static_cast<double>(*macs) / *time_of(r)) : std::nullopt;
    table.rows.push_back({{letter_of(i) + " " + r.file, static_cast<double>(i)},
                          words_cell(std::string(name_of(r.kind))),
                          words_cell(r.model),
                          words_cell(r.device.empty() ? r.cpu : r.device + " · " + r.cpu),
                          words_cell(setting_of(r)),
                          time_cell(time_of(r)),
                          count_cell(macs),
                          count_cell(count_of(r.totals.counts, "lane_macs")),
                          bytes_cell(sum_of(r.totals.counts, {"bytes_loaded", "bytes_stored"})),
                          number_cell(rate, 1)});
  }
  return table;
}

/// A bar a recording of one model that has a time, on one scale.
void write_times(Markup& out, const std::vector<Recording>& recordings, const std::vector<size_t>& which) {
  double most = 0;
  for (const size_t i : which) most = std::max(most, time_of(recordings[i]).value_or(0));
  out.leaf("h4", recordings[which[0]].model);
  for (const size_t i : which) {
    const Recording& r = recordings[i];
    const std::string words = duration_text(*time_of(r));
    const std::string name = formatted("{} {} {}: {}", letter_of(i), name_of(r.kind), r.model, words);
    out.open("div", {{"class", "stack"}});
    out.open("span", {{"class", "what"}}).leaf("b", letter_of(i)).leaf("span", formatted(" {}", name_of(r.kind)));
    out.leaf("span",
             " " + setting_of(r) + (r.device.empty() ? "" : " · " + r.device) + (r.cpu.empty() ? "" : " · " + r.cpu),
             {{"class", "aside"}})
        .close();
    out.leaf("span", words, {{"class", "figure"}});
    draw_bar(out, name, {{0, *time_of(r) / most, name, letter_of(i), formatted("c{}", i % 8 + 1)}});
    out.close();
  }
}

void write_overview(Markup& out, const std::vector<Recording>& recordings, const std::vector<size_t>& which) {
  out.open("figure").leaf("h3", "Side by side");
  std::map<std::string, std::vector<size_t>> timed;
  for (const size_t i : which)
    if (time_of(recordings[i]).value_or(0) > 0) timed[recordings[i].model].push_back(i);
  for (const auto& [model, members] : timed)
    if (members.size() > 1) write_times(out, recordings, members);
  write_table(out, overview_table(recordings, which));
  out.close();
}

/// One quantity of all recordings of a group, by pair with the first one's layers.
struct Row {
  std::string name;
  std::vector<std::optional<double>> values;  ///< by member of the group
  std::vector<std::string> verdicts;
};

std::vector<Row> rows_of(const std::vector<Recording>& recordings, const std::vector<size_t>& group, const char* key) {
  std::vector<Row> rows;
  std::map<std::string, size_t> by_name;
  for (size_t m = 1; m < group.size(); ++m)
    for (const ComparedLayer& layer : compare(recordings[group[0]], recordings[group[m]]).layers) {
      const std::string name = layer.name_a.empty() ? layer.name_b : layer.name_a;
      const auto [found, is_new] = by_name.emplace(name, rows.size());
      if (is_new)
        rows.push_back(
            {name, std::vector<std::optional<double>>(group.size()), std::vector<std::string>(group.size())});
      Row& row = rows[found->second];
      const ComparedFigure* figure = figure_of(layer.figures, key);
      if (figure == nullptr) continue;
      if (figure->value_a()) row.values[0] = figure->value_a();
      row.values[m] = figure->value_b();
      if (const auto ratio = figure->ratio())
        row.verdicts[m] = formatted("{}×{:.2f}", figure->apart && !*figure->apart ? "~" : "", *ratio);
    }
  return rows;
}

void write_group(Markup& out, const std::vector<Recording>& recordings, const std::vector<size_t>& group,
                 const char* key) {
  const bool time = std::string_view(key) == "ns";
  const auto words = [&](double v) { return time ? duration_text(v) : with_thousands(v, 0); };
  const std::vector<Row> rows = rows_of(recordings, group, key);
  std::vector<std::optional<double>> weight;
  double most = 0;
  for (const Row& row : rows) {
    weight.emplace_back(0.0);
    for (const auto& value : row.values) weight.back() = std::max(*weight.back(), value.value_or(0));
    most = std::max(most, *weight.back());
  }
  if (most <= 0) return;
  std::vector<size_t> order(rows.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return *weight[x] > *weight[y]; });
  if (order.size() > kMostRows) order.resize(kMostRows);
  std::sort(order.begin(), order.end());
  out.open("figure").leaf("h3",
                          formatted("Layer by layer: {} of {}", time ? "time" : "MACs", recordings[group[0]].model));
  out.leaf("figcaption",
           "Layers paired by the ONNX nodes they share, renamed ones by operator, shape and order. ×: against the "
           "first; ~: intervals overlap, so that the difference may be noise.");
  DataTable table;
  table.caption = "Layers side by side";
  table.columns = {{"layer", false}};
  for (const size_t i : group) table.columns.push_back({letter_of(i)});
  for (const size_t r : order) {
    const Row& row = rows[r];
    out.open("div", {{"class", "layer"}})
        .open("h4")
        .leaf("bdi", row.name)
        .close()
        .open("div", {{"class", "panel sides"}});
    table.rows.push_back({{row.name, static_cast<double>(r)}});
    for (size_t m = 0; m < group.size(); ++m) {
      const std::string figure =
          row.values[m] ? words(*row.values[m]) + (row.verdicts[m].empty() ? "" : " " + row.verdicts[m]) : "n/a";
      table.rows.back().push_back({figure, row.values[m]});
      const std::string name = formatted("{}, {}: {}", row.name, letter_of(group[m]), figure);
      out.leaf("span", letter_of(group[m]), {{"class", "what"}});
      draw_bar(out, name, {{0, row.values[m].value_or(0) / most, name, "", formatted("c{}", group[m] % 8 + 1)}});
      out.leaf("span", figure, {{"class", "figure"}});
    }
    out.close().close();
  }
  write_table(out, table);
  out.close();
}

}  // namespace

bool comparable(const std::vector<Recording>& recordings) {
  return std::count_if(recordings.begin(), recordings.end(),
                       [](const Recording& r) { return r.kind != RecordingKind::machine; }) > 1;
}

void write_comparisons(Markup& out, const std::vector<Recording>& recordings) {
  if (!comparable(recordings)) return;
  std::vector<size_t> measured;
  for (size_t i = 0; i < recordings.size(); ++i)
    if (recordings[i].kind != RecordingKind::machine) measured.push_back(i);
  out.open("section", {{"id", "comparison"}}).leaf("h2", "Comparison");
  write_overview(out, recordings, measured);
  std::map<std::pair<RecordingKind, std::string>, std::vector<size_t>> groups;
  for (const size_t i : measured) {
    const RecordingKind kind = recordings[i].kind;
    if (kind == RecordingKind::profile || kind == RecordingKind::estimate)
      groups[{kind, recordings[i].model}].push_back(i);
  }
  for (const auto& [which, group] : groups)
    if (group.size() > 1) write_group(out, recordings, group, which.first == RecordingKind::profile ? "ns" : "macs");
  out.close();
}

}  // namespace tally::tools
