#include "tools/estimate/explanation.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tally/platforms/kernel_table.h"
#include "tools/estimate/coverage.h"
#include "tools/estimate/gap_terms.h"
#include "tools/estimate/kernel_notes.h"
#include "tools/estimate/planned_formulas.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

/// The plan row that a layer runs in; null where it never runs by itself (a view that another row took over).
const PlanRow* row_of(const Plan& plan, size_t layer) {
  for (const PlanRow& row : plan.rows)
    if (std::find(row.origins.begin(), row.origins.end(), static_cast<int>(layer)) != row.origins.end()) return &row;
  return nullptr;
}

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + to_string(shape);
  return text.empty() ? "none" : text;
}

/// quantity = symbols = numbers = value, the equals signs below each other.
std::string formula_text(const Formula& f, size_t width) {
  const auto line = [&](const std::string& left, const std::string& right) {
    return "  " + left + std::string(width - std::min(width, display_width(left)), ' ') + " = " + right + "\n";
  };
  return line(f.quantity, f.symbols) + line("", f.numbers) +
         line("", f.value < 0 ? with_sign(f.value) : with_thousands(f.value));
}

std::string formulas_text(const std::vector<Formula>& formulas) {
  size_t width = 10;
  for (const Formula& f : formulas) width = std::max(width, display_width(f.quantity));
  std::string text;
  for (const Formula& f : formulas) text += formula_text(f, width);
  return text;
}

struct Figure {
  const char* name;
  int64_t value;
};

std::vector<Figure> figures_of(const NodeEstimate& n) {
  return {{"params", n.params},
          {"params_shared", n.params_shared},
          {"buffers", n.buffers},
          {"constants", n.constants},
          {"macs", n.cost.macs},
          {"macs_nopad", n.cost.macs_nopad},
          {"macs_causal", n.cost.macs - n.cost.macs_masked},
          {"ops_fused", n.ops_fused()},
          {"comparisons", n.cost.comparisons},
          {"elementwise", n.cost.elementwise},
          {"special", n.cost.special},
          {"operations", n.operations()},
          {"bytes_read", n.bytes_read},
          {"bytes_weights", n.bytes_weights},
          {"bytes_written", n.bytes_written},
          {"output_elements", n.output_elements}};
}

/// Figures that are not 0, as "params 156 · macs 117,600".
std::string figures_text(const NodeEstimate& n) {
  std::string text;
  for (const auto& [name, value] : figures_of(n))
    if (value != 0) text += (text.empty() ? "" : " · ") + formatted("{} {}", name, with_thousands(value));
  return text;
}

/// "  lane_macs = 117,600 ideal + 7,840 lane_padding = 125,440", and the meaning of each term.
std::string sum_text(const char* quantity, int64_t ideal, const char* ideal_words, const GapTerms& gap,
                     int64_t executed) {
  std::string text = formatted("  {} = {}\n", quantity, with_thousands(executed));
  text += formatted("    {:>14}  {}\n", with_thousands(ideal), ideal_words);
  for (const auto& [term, value] : gap)
    // A minus sign is three bytes wide to fmt's eye, so the padding is ours.
    text += "    " + std::string(14 - std::min<size_t>(14, display_width(with_sign(value))), ' ') + with_sign(value) +
            formatted("  {}: {}\n", term, meaning_of_term(term));
  return text;
}

/// Loops, each one further in.
std::string loops_text(const LoopNest& nest) {
  std::string text, margin = "    ";
  for (const std::string& loop : nest.loops) {
    text += margin + loop + "\n";
    margin += "  ";
  }
  return text;
}

std::string plan_text(const Plan& plan, const PlanRow& row) {
  std::string nodes;
  for (const std::string& node : row.nodes) nodes += (nodes.empty() ? "" : " + ") + printable(node);
  std::string text = "  runs as  " + nodes + (row.nodes.size() > 1 ? ", in one row\n" : "\n");
  if (!row.kernel.empty())
    text += formatted("  kernel   {} · {} · {} thread{}\n", row.kernel, row.layouts, row.threads,
                      row.threads == 1 ? "" : "s");
  int64_t items = 0;
  double cycles = 0;
  for (int s = row.first_step; s < row.first_step + row.step_count; ++s) {
    items += plan.steps[static_cast<size_t>(s)].step->items;
    cycles += plan.steps[static_cast<size_t>(s)].step->cycles;
  }
  if (row.step_count == 0) return text + "  work     none: it neither moves nor computes anything\n";
  text += formatted("  work     {} step{}, {} item{} to share among threads; planned at {} cycles on one core\n",
                    row.step_count, row.step_count == 1 ? "" : "s", with_thousands(items), items == 1 ? "" : "s",
                    with_thousands(static_cast<int64_t>(cycles)));
  if (const std::string words = kernel_note(row.kernel, kernel_table(plan.isa, false).geometry); !words.empty())
    text += "  " + words + "\n";
  for (const LoopNest& nest : nests_of(plan, row)) text += loops_text(nest);
  const Tally& t = row.planned.tally;
  if (t.lane_macs != 0 || row.ideal.macs != 0)
    text += "\n" + sum_text("lane_macs", row.ideal.macs, "ideal", row.gap.macs, t.lane_macs);
  text += "\n" + sum_text("bytes_loaded", row.ideal.bytes_read + row.ideal.bytes_weights,
                          "ideal: activations and weights once", row.gap.bytes_loaded, t.bytes_loaded);
  text += "\n" + sum_text("bytes_stored", row.ideal.bytes_written, "ideal: outputs once", row.gap.bytes_stored,
                          t.bytes_stored);
  if (t.lane_fma_other != 0)
    text += formatted("\n  lane_fma_other = {}: FMA lanes of functions such as tanh and exp\n",
                      with_thousands(t.lane_fma_other));
  if (const std::vector<Formula> formulas = planned_formulas(plan, row); !formulas.empty())
    text += "\n  where they come from\n" + formulas_text(formulas);
  return text;
}

/// Edits (insert, delete, replace) that make `a` into `b`.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string near_names(const Estimate& estimate, std::string wanted) {
  wanted.resize(std::min<size_t>(wanted.size(), 200));
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const NodeEstimate& node : estimate.layers) {
    const std::string name = node.name.substr(0, 200);
    ranked.emplace_back(name.find(wanted) != std::string::npos ? 0 : edit_distance(wanted, name), node.name);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(5, ranked.size()); ++i)
    text += (i == 0 ? "" : ", ") + ("'" + ranked[i].second + "'");
  return text;
}

}  // namespace

size_t find_layer(const Estimate& estimate, const std::string& layer) {
  const auto& rows = estimate.layers;
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i].name == layer) return i;
  if (!layer.empty() && layer.size() < 9 &&
      std::all_of(layer.begin(), layer.end(), [](char c) { return c >= '0' && c <= '9'; }))
    if (const size_t index = std::stoul(layer); index < rows.size()) return index;
  using Matches = bool (*)(const std::string& name, const std::string& part);
  const Matches ways[] = {
      [](const std::string& name, const std::string& part) { return name.starts_with(part); },
      [](const std::string& name, const std::string& part) {
        return ("/" + name + "/").find("/" + part + "/") != std::string::npos;
      },
      [](const std::string& name, const std::string& part) { return name.find(part) != std::string::npos; }};
  size_t most = 0;
  for (const Matches matches : ways) {
    std::vector<size_t> found;
    for (size_t i = 0; i < rows.size(); ++i)
      if (!layer.empty() && matches(rows[i].name, layer)) found.push_back(i);
    if (found.size() == 1) return found[0];
    most = std::max(most, found.size());
  }
  fail("layer '" + layer + "'", most == 0 ? "no such layer" : text("is part of ", most, " names"),
       "must be a name, a number from 0 or a part that only one name has; near: " + near_names(estimate, layer),
       ErrorCode::usage);
}

std::string explanation_text(const LoadedModel& loaded, const Plan& plan, size_t layer, int width,
                             const Emphasis& emphasis) {
  const NodeEstimate& node = plan.estimate.layers[layer];
  std::string text = emphasis.bold(formatted("{} '{}', layer {} of {} in {}", node.op, printable(node.name), layer,
                                             plan.estimate.layers.size(), loaded.name)) +
                     "\n";
  text += wrapped(printable(formatted("  {} → {}{}", shapes_text(node.input_shapes), shapes_text(node.output_shapes),
                                      node.scope.empty() ? "" : " · scope " + node.scope)),
                  width);
  text += "\n" + emphasis.bold("Ideal") + "\n";
  if (!node.cost.source.empty()) text += wrapped("  source: " + node.cost.source, width);
  text += formulas_text(node.cost.formulas);
  text += wrapped("  " + figures_text(node), width);
  if (node.cost.coverage != Coverage::exact)
    text += wrapped(formatted("  coverage: {}{}", name_of(node.cost.coverage),
                              node.cost.reason.empty() ? "" : ", " + node.cost.reason),
                    width);
  text += "\n" + emphasis.bold(formatted("Planned on {}", name_of(plan.isa))) + "\n";
  const PlanRow* row = row_of(plan, layer);
  text += row == nullptr ? std::string("  nothing: a rewrite removed it\n") : wrapped(plan_text(plan, *row), width);
  return text;
}

Report explanation_report(const LoadedModel& loaded, const Plan& plan, size_t layer) {
  const NodeEstimate& node = plan.estimate.layers[layer];
  Table formulas, figures, planned, derived;
  formulas.columns =
      derived.columns = {csv_column("quantity"), csv_column("symbols"), csv_column("numbers"), csv_column("value")};
  for (const Formula& f : node.cost.formulas) formulas.rows.push_back({f.quantity, f.symbols, f.numbers, f.value});
  figures.columns = {csv_column("quantity"), csv_column("value")};
  for (const Figure& figure : figures_of(node)) figures.rows.push_back({std::string(figure.name), figure.value});
  planned.columns = {csv_column("quantity"), csv_column("term"), csv_column("value")};
  if (const PlanRow* row = row_of(plan, layer)) {
    const auto add = [&](const char* quantity, int64_t ideal, const GapTerms& gap, int64_t sum) {
      planned.rows.push_back({std::string(quantity), std::string("ideal"), ideal});
      for (const auto& [term, value] : gap) planned.rows.push_back({std::string(quantity), term, value});
      planned.rows.push_back({std::string(quantity), std::string("planned"), sum});
    };
    const Tally& t = row->planned.tally;
    add("lane_macs", row->ideal.macs, row->gap.macs, t.lane_macs);
    add("bytes_loaded", row->ideal.bytes_read + row->ideal.bytes_weights, row->gap.bytes_loaded, t.bytes_loaded);
    add("bytes_stored", row->ideal.bytes_written, row->gap.bytes_stored, t.bytes_stored);
    for (const Formula& f : planned_formulas(plan, *row))
      derived.rows.push_back({f.quantity, f.symbols, f.numbers, f.value});
  }
  Report report;
  report.title = formatted("{} '{}' in {}", node.op, node.name, loaded.name);
  report.parts = {{"Formulas", std::move(formulas)},
                  {"Ideal", std::move(figures)},
                  {formatted("Planned on {}", name_of(plan.isa)), std::move(planned)},
                  {"Where it comes from", std::move(derived)}};
  return report;
}

namespace {

ordered_json to_json(const std::vector<Formula>& formulas) {
  ordered_json list = ordered_json::array();
  for (const Formula& f : formulas)
    list.push_back({{"quantity", f.quantity}, {"symbols", f.symbols}, {"numbers", f.numbers}, {"value", f.value}});
  return list;
}

}  // namespace

ordered_json explanation_document(const LoadedModel& loaded, const Plan& plan, size_t layer) {
  const NodeEstimate& node = plan.estimate.layers[layer];
  ordered_json document = new_document("explain", &loaded, plan.isa);
  document["layer"] = {{"index", layer},
                       {"name", node.name},
                       {"op", node.op},
                       {"source", node.cost.source},
                       {"formulas", to_json(node.cost.formulas)}};
  document["layer"]["coverage"] = name_of(node.cost.coverage);
  document["layer"]["input_shapes"] = to_json(node.input_shapes);
  document["layer"]["output_shapes"] = to_json(node.output_shapes);
  const PlanRow* row = row_of(plan, layer);
  document["plan"] = nullptr;
  if (row == nullptr) {
    document["missing"] = {{"plan", "a rewrite removed the layer"}};
    return document;
  }
  const Tally& t = row->planned.tally;
  document["plan"] = {{"name", row->name},       {"nodes", row->nodes},     {"kernel", row->kernel},
                      {"layouts", row->layouts}, {"threads", row->threads}, {"steps", row->step_count}};
  document["plan"]["planned"] = {{"macs", t.macs},
                                 {"lane_macs", t.lane_macs},
                                 {"lane_fma_other", t.lane_fma_other},
                                 {"bytes_loaded", t.bytes_loaded},
                                 {"bytes_stored", t.bytes_stored}};
  document["plan"]["gap"] = {
      {"macs", row->gap.macs}, {"bytes_loaded", row->gap.bytes_loaded}, {"bytes_stored", row->gap.bytes_stored}};
  ordered_json loops = ordered_json::array();
  for (const LoopNest& nest : nests_of(plan, *row)) loops.push_back(nest.loops);
  document["plan"]["loops"] = std::move(loops);
  document["plan"]["formulas"] = to_json(planned_formulas(plan, *row));
  return document;
}

}  // namespace tally::tools
