#include "tools/estimate/gap_terms.h"

#include <map>
#include <numeric>

#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

struct Meaning {
  std::string_view term, words;
};

constexpr Meaning kMeanings[] = {
    {"lane_padding", "lanes beyond the last channel or pixel"},
    {"k_padding", "depth rounded up to a dot-product step"},
    {"tile_padding", "computed and dropped: tile rows, padding, masked products"},
    {"padding_taps_skipped", "products with padding zeros: no useful work"},
    {"causal_skipped", "products under a causal mask: no useful work"},
    {"host_products", "plain loops, no lanes of an instruction set"},
    {"steps_skipped", "time steps beyond a sequence's length"},
    {"gates_skipped", "gates that another gate determines"},
    {"fusion", "between absorbed nodes, never in memory"},
    {"activation_rereads", "inputs read again, less what no tap needs"},
    {"weight_rereads", "packed weights read again, with padding"},
    {"partial_sums", "sums between blocks of the depth"},
    {"state", "recurrent state and caches of the context"},
    {"scratch", "the kernel's own intermediate values"},
    {"layout_padding", "channels padded to whole vectors"},
    {"reorder", "rewritten in the next kernel's layout"},
    {"output_copy", "copied into the output's own buffer"},
    {"control", "around bodies: carried, sliced, stacked"},
    {"iterations", "trips that data asked for, less the one planned"},
    {"branch", "the branch taken, less the costliest"},
    {"adaptive_samples", "samples of a bin beyond one, as many as it has pixels"},
    {"indices_outside", "updates whose index lies outside, left out"},
};

struct Quantity {
  const char* key;
  const char* name;
  GapTerms Gap::*terms;
};
constexpr Quantity kQuantities[] = {{"macs", "lane MACs", &Gap::macs},
                                    {"bytes_loaded", "loaded B", &Gap::bytes_loaded},
                                    {"bytes_stored", "stored B", &Gap::bytes_stored}};

/// One term of one quantity over all rows.
struct TermSum {
  int64_t sum = 0, most = 0;
  std::string most_in;
};

}  // namespace

std::string_view meaning_of_term(std::string_view term) {
  for (const Meaning& meaning : kMeanings)
    if (meaning.term == term) return meaning.words;
  return "";
}

int64_t sum_of(const GapTerms& terms) {
  return std::accumulate(terms.begin(), terms.end(), int64_t{0},
                         [](int64_t sum, const auto& term) { return sum + term.second; });
}

std::string terms_text(const GapTerms& terms) {
  std::string text;
  for (const auto& [term, value] : terms) text += (text.empty() ? "" : ", ") + with_sign(value) + " " + term;
  return terms.size() > 1 ? with_sign(sum_of(terms)) + " = " + text : text;
}

Table gap_table(const std::vector<ProfileRow>& rows) {
  Table table;
  table.columns = {{"quantity", "quantity"},
                   {"term", "term"},
                   {"sum", "sum", Unit::change},
                   {"most_in", "most in", Unit::path, "", 8},
                   {"meaning", "meaning", Unit::text, "", 30}};
  for (const Quantity& quantity : kQuantities) {
    std::map<std::string, TermSum> sums;
    for (const ProfileRow& row : rows)
      for (const auto& [term, value] : row.gap.*quantity.terms) {
        TermSum& sum = sums[term];
        sum.sum += value;
        if (std::abs(value) <= std::abs(sum.most)) continue;
        sum.most = value;
        sum.most_in = row.plan->name;
      }
    for (const auto& [term, sum] : sums)
      table.rows.push_back({quantity.name, term, sum.sum, sum.most_in, std::string(meaning_of_term(term))});
  }
  return table;
}

Table layer_gap_table(const std::vector<ProfileRow>& rows) {
  Table table;
  table.columns = {csv_column("layer"), csv_column("quantity"), csv_column("term"), csv_column("value")};
  for (const ProfileRow& row : rows)
    for (const Quantity& quantity : kQuantities)
      for (const auto& [term, value] : row.gap.*quantity.terms)
        table.rows.push_back({row.plan->name, std::string(quantity.key), term, value});
  return table;
}

std::vector<std::string> gap_lines(const std::vector<ProfileRow>& rows) {
  std::vector<std::string> lines;
  for (const ProfileRow& row : rows) {
    if (row.gap.macs.empty() && row.gap.bytes_loaded.empty() && row.gap.bytes_stored.empty()) continue;
    lines.push_back(row.plan->name);
    for (const Quantity& quantity : kQuantities) {
      const GapTerms& terms = row.gap.*quantity.terms;
      if (!terms.empty()) lines.push_back(std::string("  - ") + quantity.name + " " + terms_text(terms));
    }
  }
  return lines;
}

}  // namespace tally::tools
