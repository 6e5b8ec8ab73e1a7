#include "tools/estimate/planned_formulas.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tally/engine/gap.h"
#include "tally/platforms/kernel_table.h"

namespace tally::tools {

namespace {

/// A part of the planned tally, and the term of the gap that it is by itself, if any.
struct PartName {
  int64_t Planned::*part;
  const char* name;
  GapTerms Gap::*terms = nullptr;
  const char* term = "";
};
constexpr PartName kPartNames[] = {
    {&Planned::lane_padding, "lane_padding", &Gap::macs, "lane_padding"},
    {&Planned::k_padding, "k_padding", &Gap::macs, "k_padding"},
    {&Planned::tile_padding, "tile_padding", &Gap::macs, "tile_padding"},
    {&Planned::host_macs, "host_products", &Gap::macs, "host_products"},
    {&Planned::steps_skipped, "steps_skipped", &Gap::macs, "steps_skipped"},
    {&Planned::gates_skipped, "gates_skipped", &Gap::macs, "gates_skipped"},
    {&Planned::loaded_activations, "loaded_activations"},
    {&Planned::loaded_weights, "loaded_weights"},
    {&Planned::loaded_partials, "loaded partial_sums", &Gap::bytes_loaded, "partial_sums"},
    {&Planned::loaded_state, "loaded state", &Gap::bytes_loaded, "state"},
    {&Planned::loaded_scratch, "loaded scratch", &Gap::bytes_loaded, "scratch"},
    {&Planned::stored_outputs, "stored_outputs"},
    {&Planned::stored_partials, "stored partial_sums", &Gap::bytes_stored, "partial_sums"},
    {&Planned::stored_state, "stored state", &Gap::bytes_stored, "state"},
    {&Planned::stored_scratch, "stored scratch", &Gap::bytes_stored, "scratch"}};

const char* name_of(int64_t Planned::*part) {
  for (const PartName& name : kPartNames)
    if (name.part == part) return name.name;
  return "";
}

const Step& step_of(const Plan& plan, const PlanRow& row, int i) {
  return *plan.steps[static_cast<size_t>(row.first_step + i)].step;
}

/// The part that a step files under another head than its kernel does: where an operand or the result is an
/// intermediate value of the layer, its bytes are scratch.
int64_t Planned::*filed_part(int64_t Planned::*part, const Planned& planned) {
  if (planned.*part != 0) return part;
  if (part == &Planned::loaded_activations || part == &Planned::loaded_weights) return &Planned::loaded_scratch;
  if (part == &Planned::stored_outputs) return &Planned::stored_scratch;
  return part;
}

bool has(const std::vector<Formula>& formulas, const std::string& quantity) {
  return std::any_of(formulas.begin(), formulas.end(), [&](const Formula& f) { return f.quantity == quantity; });
}

/// The planned figures of a part, step by step.
Formula sum_over_steps(const Plan& plan, const PlanRow& row, const PartName& name) {
  Formula sum{name.name, row.step_count > 1 ? "Σ steps" : "planned with its step", "", 0};
  for (int i = 0; i < row.step_count; ++i) {
    const int64_t value = step_of(plan, row, i).planned.*name.part;
    sum.numbers += (i == 0 ? "" : " + ") + std::to_string(value);
    sum.value += value;
  }
  return sum;
}

/// What no part tells (of bodies: what moves around them) is the rest of executed − ideal.
void add_rest(std::vector<Formula>& formulas, const std::string& way, const GapTerms& terms, int64_t planned,
              int64_t ideal) {
  for (const auto& [term, value] : terms) {
    if (has(formulas, way + term)) continue;
    std::string numbers = std::to_string(planned) + " − " + std::to_string(ideal);
    for (const auto& [other, taken] : terms)
      if (other != term) numbers += (taken < 0 ? " + " : " − ") + std::to_string(std::abs(taken));
    formulas.push_back({way + term, "planned − ideal − the other terms", std::move(numbers), value});
  }
}

}  // namespace

std::vector<LoopNest> nests_of(const Plan& plan, const PlanRow& row) {
  std::vector<LoopNest> nests;
  const Geometry& geometry = kernel_table(plan.isa, false).geometry;
  for (int i = 0; i < row.step_count; ++i) nests.push_back(step_of(plan, row, i).nest(geometry));
  return nests;
}

std::vector<Formula> planned_formulas(const Plan& plan, const PlanRow& row) {
  std::vector<Formula> formulas;
  const std::vector<LoopNest> nests = nests_of(plan, row);
  for (int i = 0; i < row.step_count; ++i)
    for (const LoopNest::Part& part : nests[static_cast<size_t>(i)].parts)
      if (part.value != 0)
        formulas.push_back(
            {name_of(filed_part(part.part, step_of(plan, row, i).planned)), part.symbols, part.numbers, part.value});
  for (const PartName& name : kPartNames) {
    if (!name.terms) continue;
    const GapTerms& terms = row.gap.*name.terms;
    const auto term = terms.find(name.term);
    if (term == terms.end() || has(formulas, name.name)) continue;
    Formula sum = sum_over_steps(plan, row, name);
    if (sum.value == std::abs(term->second)) formulas.push_back(std::move(sum));
  }
  const std::vector<Formula> terms = gap_formulas(row);
  formulas.insert(formulas.end(), terms.begin(), terms.end());
  const Tally& tally = row.planned.tally;
  add_rest(formulas, "", row.gap.macs, tally.lane_macs, row.ideal.macs);
  add_rest(formulas, "loaded ", row.gap.bytes_loaded, tally.bytes_loaded,
           row.ideal.bytes_read + row.ideal.bytes_weights);
  add_rest(formulas, "stored ", row.gap.bytes_stored, tally.bytes_stored, row.ideal.bytes_written);
  return formulas;
}

}  // namespace tally::tools
