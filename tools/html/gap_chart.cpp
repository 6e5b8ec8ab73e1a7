#include "tools/html/gap_chart.h"

#include <algorithm>
#include <cmath>

#include "tools/estimate/gap_terms.h"
#include "tools/html/data_table.h"
#include "tools/html/layer_style.h"
#include "tools/html/plot.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

struct Quantity {
  const char* title;
  std::vector<NamedCount> RecordedLayer::*terms;
};
constexpr Quantity kQuantities[] = {{"lanes", &RecordedLayer::gap_macs},
                                    {"bytes loaded", &RecordedLayer::gap_loaded},
                                    {"bytes stored", &RecordedLayer::gap_stored}};

/// Sums in double: what a document claims may not fit an integer when added.
using Sums = std::map<std::string, double>;

Sums sums_of(const Recording& profile, const Quantity& quantity) {
  Sums sums;
  for (const RecordedLayer& layer : profile.layers)
    for (const auto& [term, value] : layer.*quantity.terms) sums[term] += static_cast<double>(value);
  return sums;
}

std::string signed_text(double value) {
  return std::fabs(value) < 9e18 ? with_sign(static_cast<int64_t>(value)) : with_thousands(value, 0);
}

void write_quantity(Markup& out, const Quantity& quantity, const Sums& sums) {
  double most = 0;
  for (const auto& [term, sum] : sums) most = std::max(most, std::fabs(sum));
  if (most <= 0) return;
  out.leaf("h4", quantity.title);
  for (const auto& [term, sum] : sums) {
    const double end = 0.5 + 0.5 * sum / most;
    const std::string meaning(meaning_of_term(term));
    out.open("div", {{"class", "stack term"}});
    out.open("span", {{"class", "what"}})
        .leaf("code", term)
        .leaf("span", meaning.empty() ? "" : ": " + meaning, {{"class", "aside"}})
        .close();
    out.leaf("span", signed_text(sum), {{"class", "figure"}});
    const std::string name = std::string(quantity.title) + ", " + term + ": " + signed_text(sum);
    draw_bar(out, name, {{std::min(0.5, end), std::max(0.5, end), name, "", sum < 0 ? "saved" : "extra"}});
    out.close();
  }
}

DataTable table_of(const Recording& profile) {
  constexpr size_t kMostRows = 1000;
  DataTable table;
  table.caption = "Every term of every layer";
  table.columns = {{"layer", false}, {"quantity", false}, {"term", false}, {"value"}};
  for (size_t i = 0; i < profile.layers.size(); ++i)
    for (const Quantity& quantity : kQuantities)
      for (const auto& [term, value] : profile.layers[i].*quantity.terms)
        if (value != 0 && table.rows.size() < kMostRows)
          table.rows.push_back({{layer_name(profile, i), static_cast<double>(i)},
                                words_cell(quantity.title),
                                words_cell(term),
                                change_cell(value)});
  return table;
}

}  // namespace

void write_gap_chart(Markup& out, const Recording& profile) {
  const DataTable table = table_of(profile);
  if (table.rows.empty()) return;
  out.open("figure").leaf("h3", "Why executed differs from ideal");
  out.leaf("figcaption",
           "Named terms that sum to the difference exactly, over all layers; to the left of the middle what was saved, "
           "to the right what was spent. Each quantity has a scale of its own.");
  for (const Quantity& quantity : kQuantities) write_quantity(out, quantity, sums_of(profile, quantity));
  write_table(out, table);
  out.close();
}

}  // namespace tally::tools
