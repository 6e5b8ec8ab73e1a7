#include "tools/html/data_table.h"
#include "tools/html/layer_bars.h"
#include "tools/html/layer_style.h"
#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

/// Thousands of rows serve nobody; the document has them.
constexpr size_t kMostRows = 1000;

struct LayerColumn {
  DataTable::Column column;
  DataCell (*cell)(const RecordedLayer&);
  bool (*worth)(const RecordedLayer&);  ///< whether a layer has something to show there
};

bool has(const RecordedLayer& l, const char* key) { return count_of(l.counts, key).value_or(0) != 0; }

/// MAC/ns = GMAC/s.
DataCell rate_cell(const RecordedLayer& l) {
  const auto macs = count_of(l.counts, "macs");
  if (!macs || !l.ns.median || *l.ns.median <= 0) return {};
  if (*macs == 0) return {"–", 0};
  return number_cell(static_cast<double>(*macs) / *l.ns.median, 1);
}

const LayerColumn kColumns[] = {
    {{"output", false},
     [](const RecordedLayer& l) { return words_cell(l.output_shapes); },
     [](const RecordedLayer& l) { return !l.output_shapes.empty(); }},
    {{"kernel", false},
     [](const RecordedLayer& l) { return words_cell(l.kernel + (l.isa.empty() ? "" : " " + l.isa)); },
     [](const RecordedLayer& l) { return !l.kernel.empty(); }},
    {{"type", false},
     [](const RecordedLayer& l) { return words_cell(l.dtype); },
     [](const RecordedLayer& l) { return !l.dtype.empty(); }},
    {{"params"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "params")); },
     [](const RecordedLayer& l) { return has(l, "params"); }},
    {{"MACs ideal"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "macs")); },
     [](const RecordedLayer& l) { return has(l, "macs"); }},
    {{"MACs executed"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "executed_macs")); },
     [](const RecordedLayer& l) { return has(l, "executed_macs"); }},
    {{"lanes executed"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "lane_macs")); },
     [](const RecordedLayer& l) { return has(l, "lane_macs"); }},
    {{"other FMA lanes"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "lane_fma_other")); },
     [](const RecordedLayer& l) { return has(l, "lane_fma_other"); }},
    {{"elementwise"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "elementwise")); },
     [](const RecordedLayer& l) { return has(l, "elementwise"); }},
    {{"special"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "special")); },
     [](const RecordedLayer& l) { return has(l, "special"); }},
    {{"comparisons"},
     [](const RecordedLayer& l) { return count_cell(count_of(l.counts, "comparisons")); },
     [](const RecordedLayer& l) { return has(l, "comparisons"); }},
    {{"bytes ideal"},
     [](const RecordedLayer& l) {
       return bytes_cell(sum_of(l.counts, {"bytes_read", "bytes_weights", "bytes_written"}));
     },
     [](const RecordedLayer&) { return true; }},
    {{"loaded"},
     [](const RecordedLayer& l) { return bytes_cell(count_of(l.counts, "bytes_loaded")); },
     [](const RecordedLayer& l) { return has(l, "bytes_loaded"); }},
    {{"stored"},
     [](const RecordedLayer& l) { return bytes_cell(count_of(l.counts, "bytes_stored")); },
     [](const RecordedLayer& l) { return has(l, "bytes_stored"); }},
    {{"FLOP/B"},
     [](const RecordedLayer& l) { return number_cell(l.intensity(), 2); },
     [](const RecordedLayer& l) { return l.intensity().has_value(); }},
    {{"time"},
     [](const RecordedLayer& l) { return time_cell(l.ns.median); },
     [](const RecordedLayer& l) { return l.ns.median.has_value(); }},
    {{"p10"},
     [](const RecordedLayer& l) { return time_cell(l.ns.p10); },
     [](const RecordedLayer& l) { return l.ns.p10.has_value(); }},
    {{"p90"},
     [](const RecordedLayer& l) { return time_cell(l.ns.p90); },
     [](const RecordedLayer& l) { return l.ns.p90.has_value(); }},
    {{"GMAC/s"}, rate_cell, [](const RecordedLayer& l) { return l.ns.median.has_value(); }},
    {{"bound", false},
     [](const RecordedLayer& l) { return words_cell(l.bound); },
     [](const RecordedLayer& l) { return !l.bound.empty(); }},
    {{"of its roof"},
     [](const RecordedLayer& l) { return share_cell(l.roof_share); },
     [](const RecordedLayer& l) { return l.roof_share.has_value(); }},
    {{"cycles"},
     [](const RecordedLayer& l) { return number_cell(l.cycles, 0); },
     [](const RecordedLayer& l) { return l.cycles.has_value(); }},
    {{"instructions"},
     [](const RecordedLayer& l) { return number_cell(l.instructions, 0); },
     [](const RecordedLayer& l) { return l.instructions.has_value(); }},
    {{"cache misses"},
     [](const RecordedLayer& l) { return number_cell(l.cache_misses, 0); },
     [](const RecordedLayer& l) { return l.cache_misses.has_value(); }},
    {{"energy", true, "nJ"},
     [](const RecordedLayer& l) { return number_cell(l.energy_nj, 0); },
     [](const RecordedLayer& l) { return l.energy_nj.has_value(); }},
    {{"coverage", false},
     [](const RecordedLayer& l) { return words_cell(l.coverage + (l.reason.empty() ? "" : ": " + l.reason)); },
     [](const RecordedLayer& l) { return !l.coverage.empty(); }},
};

}  // namespace

void write_layer_table(Markup& out, const Recording& recording) {
  DataTable table;
  table.caption = "Every layer in figures";
  if (recording.layers.size() > kMostRows)
    table.caption =
        formatted("The first {} of {} layers in figures; the document has all", kMostRows, recording.layers.size());
  table.columns = {{"layer", false}};
  std::vector<const LayerColumn*> shown;
  for (const LayerColumn& column : kColumns)
    for (const RecordedLayer& layer : recording.layers)
      if (column.worth(layer)) {
        shown.push_back(&column);
        table.columns.push_back(column.column);
        break;
      }
  for (size_t i = 0; i < recording.layers.size() && i < kMostRows; ++i) {
    table.rows.push_back({{layer_name(recording, i), static_cast<double>(i)}});
    for (const LayerColumn* column : shown) table.rows.back().push_back(column->cell(recording.layers[i]));
  }
  table.totals = {words_cell("total")};
  for (const LayerColumn* column : shown) {
    DataCell cell = column->cell(recording.totals);
    table.totals.push_back(column->column.number ? cell : words_cell(""));
  }
  write_table(out, table);
}

}  // namespace tally::tools
