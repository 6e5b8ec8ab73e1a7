#include <algorithm>

#include "tools/html/data_table.h"
#include "tools/html/layer_bars.h"
#include "tools/html/layer_style.h"
#include "tools/html/plot.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using Value = std::optional<double> (*)(const RecordedLayer&);

std::optional<double> real(std::optional<int64_t> count) {
  if (!count) return std::nullopt;
  return static_cast<double>(*count);
}

struct Share {
  const char* title;
  Value value;
  std::string (*words)(double);
};

std::string counted(double value) { return with_thousands(value, 0); }

constexpr Share kShares[] = {
    {"parameters", [](const RecordedLayer& l) { return real(count_of(l.counts, "params")); }, counted},
    {"MACs, ideal", [](const RecordedLayer& l) { return real(count_of(l.counts, "macs")); }, counted},
    {"lanes, executed", [](const RecordedLayer& l) { return real(count_of(l.counts, "lane_macs")); }, counted},
    {"bytes, ideal",
     [](const RecordedLayer& l) {
       return real(sum_of(l.counts, {"bytes_read", "bytes_weights", "bytes_written"}));
     },
     bytes_text},
    {"bytes, executed",
     [](const RecordedLayer& l) {
       return real(sum_of(l.counts, {"bytes_loaded", "bytes_stored"}));
     },
     bytes_text},
    {"time, measured", [](const RecordedLayer& l) { return l.ns.median; }, duration_text},
};

double total_of(const Recording& recording, const Share& share) {
  double total = 0;
  for (const RecordedLayer& layer : recording.layers) total += std::max(0.0, share.value(layer).value_or(0));
  return total;
}

/// The pieces of one bar; layers without a colour of their own are one piece at its end.
std::vector<Piece> pieces_of(const Recording& recording, const Share& share, const LayerStyle& style, double total) {
  std::vector<Piece> pieces;
  double at = 0;
  for (size_t i = 0; i < recording.layers.size(); ++i) {
    const double value = std::max(0.0, share.value(recording.layers[i]).value_or(0));
    if (!style.coloured(i) || value <= 0) continue;
    const std::string name =
        formatted("{}: {}, {:.1f} %", layer_name(recording, i), share.words(value), 100 * value / total);
    pieces.push_back({at / total, (at + value) / total, name, LayerStyle::number(i), style.kind(i)});
    at += value;
  }
  if (total - at > total * 1e-9)
    pieces.push_back({at / total, 1,
                      formatted("other layers: {}, {:.1f} %", share.words(total - at), 100 * (total - at) / total), "…",
                      "c0"});
  return pieces;
}

DataTable table_of(const Recording& recording, const LayerStyle& style, const std::vector<const Share*>& shares) {
  DataTable table;
  table.caption = "Shares of each layer";
  table.columns = {{"layer", false}};
  for (const Share* share : shares) table.columns.push_back({share->title});
  std::vector<double> others(shares.size(), 0), totals;
  for (const Share* share : shares) totals.push_back(total_of(recording, *share));
  const auto fraction = [&](double value, size_t s) { return share_cell(totals[s] > 0 ? value / totals[s] : 0); };
  bool any_other = false;
  for (size_t i = 0; i < recording.layers.size(); ++i) {
    std::vector<DataCell> row{{layer_name(recording, i), static_cast<double>(i)}};
    for (size_t s = 0; s < shares.size(); ++s) {
      const double value = std::max(0.0, shares[s]->value(recording.layers[i]).value_or(0));
      others[s] += style.coloured(i) ? 0 : value;
      row.push_back(fraction(value, s));
    }
    any_other = any_other || !style.coloured(i);
    if (style.coloured(i)) table.rows.push_back(std::move(row));
  }
  if (!any_other) return table;
  table.rows.push_back({words_cell("other layers")});
  for (size_t s = 0; s < shares.size(); ++s) table.rows.back().push_back(fraction(others[s], s));
  return table;
}

}  // namespace

void write_share_bars(Markup& out, const Recording& recording) {
  std::vector<const Share*> shares;
  for (const Share& share : kShares)
    if (total_of(recording, share) > 0) shares.push_back(&share);
  if (shares.empty()) return;
  const LayerStyle style = style_of(recording);
  out.open("figure").leaf("h3", "Where it goes");
  out.leaf("figcaption",
           "Each bar is a whole model, stacked of its layers. A layer whose piece grows from ideal to executed to "
           "measured costs more than its arithmetic.");
  for (const Share* share : shares) {
    const double total = total_of(recording, *share);
    out.open("div", {{"class", "stack"}});
    out.leaf("span", share->title, {{"class", "what"}}).leaf("span", share->words(total), {{"class", "figure"}});
    draw_bar(out, std::string(share->title) + " by layer", pieces_of(recording, *share, style, total));
    out.close();
  }
  write_table(out, table_of(recording, style, shares));
  out.close();
}

}  // namespace tally::tools
