#include "tools/compare/comparison.h"

#include <algorithm>
#include <set>

#include "tally/engine/error.h"

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

const std::string kWhole = "total";

/// Sums over the rows of one side of a pair; what one of them lacks is missing.
struct Side {
  std::optional<double> ns, low, high, cycles, instructions, cache_misses, energy_nj;
  Counts counts;
};

std::optional<double> plus(std::optional<double> x, std::optional<double> y) {
  if (!x || !y) return std::nullopt;
  return *x + *y;
}

/// The interval that a median is known to lie in: the document's own, else the middle 80 % of its samples.
std::pair<std::optional<double>, std::optional<double>> interval_of(const RecordedTimes& t) {
  if (t.low && t.high) return {t.low, t.high};
  return {t.p10, t.p90};
}

Side side_of(const RecordedLayer& row) {
  const auto [low, high] = interval_of(row.ns);
  return {row.ns.median, low, high, row.cycles, row.instructions, row.cache_misses, row.energy_nj, row.counts};
}

Side side_of(const std::vector<RecordedLayer>& rows, const std::vector<size_t>& chosen) {
  if (chosen.empty()) return {};
  Side sum = side_of(rows[chosen[0]]);
  for (size_t k = 1; k < chosen.size(); ++k) {
    const Side next = side_of(rows[chosen[k]]);
    for (const auto part : {&Side::ns, &Side::low, &Side::high, &Side::cycles, &Side::instructions, &Side::cache_misses,
                            &Side::energy_nj})
      sum.*part = plus(sum.*part, next.*part);
    for (auto count = sum.counts.begin(); count != sum.counts.end();) {
      const auto more = count_of(next.counts, count->first);
      const bool added = more && !__builtin_add_overflow(count->second, *more, &count->second);
      count = added ? std::next(count) : sum.counts.erase(count);
    }
  }
  return sum;
}

Cell cell_of(std::optional<double> value) { return value ? Cell(*value) : Cell(); }

std::optional<bool> apart(const Side& a, const Side& b) {
  if (!a.low || !a.high || !b.low || !b.high) return std::nullopt;
  return *b.low > *a.high || *b.high < *a.low;
}

std::vector<ComparedFigure> figures_of(const Side& a, const Side& b) {
  std::vector<ComparedFigure> figures;
  const auto add = [&](const char* key, std::optional<double> Side::*part) {
    if (a.*part || b.*part) figures.push_back({key, cell_of(a.*part), cell_of(b.*part), std::nullopt});
  };
  add("ns", &Side::ns);
  if (!figures.empty()) figures[0].apart = apart(a, b);
  add("cycles", &Side::cycles);
  add("instructions", &Side::instructions);
  add("cache_misses", &Side::cache_misses);
  add("energy_nj", &Side::energy_nj);
  std::set<std::string> keys;
  for (const Counts* counts : {&a.counts, &b.counts})
    for (const auto& [key, value] : *counts) keys.insert(key);
  for (const std::string& key : keys) {
    const auto of_a = count_of(a.counts, key), of_b = count_of(b.counts, key);
    figures.push_back({key, of_a ? Cell(*of_a) : Cell(), of_b ? Cell(*of_b) : Cell(), std::nullopt});
  }
  return figures;
}

/// What is compared row by row: layers, or the steps of a ledger.
std::vector<RecordedLayer> rows_of(const Recording& recording) {
  if (recording.kind != RecordingKind::ledger) return recording.layers;
  std::vector<RecordedLayer> rows;
  for (const RecordedStep& step : recording.steps) {
    RecordedLayer row;
    row.name = formatted("step {}", step.step);
    row.nodes = {row.name};
    row.op = "step";
    row.counts = step.counts;
    row.counts["state_bytes"] = step.state_bytes;
    row.ns = step.ns;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The whole, with what a document says of it besides.
RecordedLayer whole_of(const Recording& recording) {
  RecordedLayer whole = recording.totals;
  for (const auto& [key, value] : recording.figures)
    if (key != "threads" && key != "batch") whole.counts.emplace(key, value);
  return whole;
}

std::string names_of(const std::vector<RecordedLayer>& rows, const std::vector<size_t>& chosen) {
  std::string names;
  for (const size_t row : chosen) names += (names.empty() ? "" : " + ") + rows[row].name;
  return names;
}

std::vector<std::string> warnings_of(const Recording& a, const Recording& b) {
  std::vector<std::string> warnings;
  const auto differ = [&](const char* what, const std::string& x, const std::string& y) {
    if (x != y && !x.empty() && !y.empty()) warnings.push_back(formatted("{} differ: {} and {}", what, x, y));
  };
  differ("models", a.model, b.model);
  if (a.model == b.model && a.sha256 != b.sha256) warnings.emplace_back("the model files differ (sha256)");
  if (a.kind == RecordingKind::estimate) return warnings;
  differ("machines", a.cpu, b.cpu);
  differ("instruction sets", a.isa, b.isa);
  const auto threads = [](const Recording& r) { return r.threads ? std::to_string(*r.threads) : std::string(); };
  differ("threads", threads(a), threads(b));
  for (const Recording* side : {&a, &b})
    for (const std::string& warning : side->warnings) warnings.push_back(side->file + ": " + warning);
  return warnings;
}

std::optional<double> real(const Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  return std::nullopt;
}

std::string excess(const std::string& who, const ComparedFigure& figure, double percent) {
  return formatted("{}: {} is {:+.1f} %, must be at most {:+.4g} %", who, figure.key, 100 * (*figure.ratio() - 1),
                   percent);
}

}  // namespace

std::optional<double> ComparedFigure::value_a() const { return real(a); }
std::optional<double> ComparedFigure::value_b() const { return real(b); }

std::optional<double> ComparedFigure::ratio() const {
  const auto x = value_a(), y = value_b();
  if (!x || !y || *x <= 0) return std::nullopt;
  return *y / *x;
}

Cell ComparedFigure::difference() const {
  const auto *x = std::get_if<int64_t>(&a), *y = std::get_if<int64_t>(&b);
  int64_t difference = 0;
  if (x != nullptr && y != nullptr && !__builtin_sub_overflow(*y, *x, &difference)) return difference;
  const auto of_a = value_a(), of_b = value_b();
  if (!of_a || !of_b) return {};
  return *of_b - *of_a;
}

const ComparedFigure* figure_of(const std::vector<ComparedFigure>& figures, std::string_view key) {
  const auto found =
      std::find_if(figures.begin(), figures.end(), [&](const ComparedFigure& f) { return f.key == key; });
  return found == figures.end() ? nullptr : &*found;
}

Comparison compare(Recording a, Recording b) {
  if (a.kind != b.kind)
    fail("file '" + b.file + "'", "is of kind " + std::string(name_of(b.kind)),
         "must be of kind " + std::string(name_of(a.kind)) + " as '" + a.file + "' is");
  if (a.kind == RecordingKind::machine)
    fail("file '" + a.file + "'", "is of kind machine", "must be a profile, bench, estimate or ledger");
  Comparison result;
  const std::vector<RecordedLayer> rows_a = rows_of(a), rows_b = rows_of(b);
  for (LayerPair& pair : align(rows_a, rows_b)) {
    ComparedLayer layer;
    layer.name_a = names_of(rows_a, pair.a);
    layer.name_b = names_of(rows_b, pair.b);
    layer.op = pair.a.empty() ? rows_b[pair.b[0]].op : rows_a[pair.a[0]].op;
    layer.figures = figures_of(side_of(rows_a, pair.a), side_of(rows_b, pair.b));
    layer.pair = std::move(pair);
    result.layers.push_back(std::move(layer));
  }
  result.totals = figures_of(side_of(whole_of(a)), side_of(whole_of(b)));
  if (a.throughput_per_s || b.throughput_per_s)
    result.totals.push_back(
        {"throughput_per_s", cell_of(a.throughput_per_s), cell_of(b.throughput_per_s), std::nullopt});
  result.warnings = warnings_of(a, b);
  result.a = std::move(a);
  result.b = std::move(b);
  return result;
}

std::vector<std::string> excesses(const Comparison& comparison, double percent, bool layers) {
  std::vector<std::string> list;
  const auto check = [&](const std::string& who, const std::vector<ComparedFigure>& figures,
                         std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
      const ComparedFigure* figure = figure_of(figures, key);
      const bool known = figure != nullptr && figure->value_a() && figure->value_b();
      if (!known && who == kWhole) list.push_back(formatted("{}: {} is n/a, must be known on both sides", who, key));
      if (!known) continue;
      const bool grown_from_nothing = figure->value_a() == 0.0 && figure->value_b().value_or(0) > 0;
      const auto ratio = figure->ratio();
      if (grown_from_nothing)
        list.push_back(formatted("{}: {} was 0, must stay 0", who, key));
      else if (ratio && *ratio > 1 + percent / 100 && figure->apart.value_or(true))
        list.push_back(excess(who, *figure, percent));
    }
  };
  const bool estimate = comparison.a.kind == RecordingKind::estimate;
  if (estimate)
    check(kWhole, comparison.totals, {"params", "macs", "bytes_compulsory", "peak_activation_bytes"});
  else
    check(kWhole, comparison.totals, {"ns"});
  for (const ComparedLayer& layer : comparison.layers)
    if (layers) check(layer.name_b.empty() ? layer.name_a : layer.name_b, layer.figures, {estimate ? "macs" : "ns"});
  return list;
}

}  // namespace tally::tools
