#include "tally/engine/gap.h"

#include <string>

namespace tally {

namespace {

void set(GapTerms& terms, const char* name, int64_t value) {
  if (value != 0) terms[name] = value;
}

}  // namespace

void add_to(Gap& gap, const Gap& more, int64_t times) {
  for (const auto terms : {&Gap::macs, &Gap::bytes_loaded, &Gap::bytes_stored})
    for (const auto& [name, value] : more.*terms) {
      int64_t& sum = (gap.*terms)[name];
      sum += times * value;
      if (sum == 0) (gap.*terms).erase(name);
    }
}

Gap explain_gap(const PlanRow& row, const MovedBytes& moved) {
  const Planned& p = row.planned;
  Gap gap;
  set(gap.macs, "lane_padding", p.lane_padding);
  set(gap.macs, "k_padding", p.k_padding);
  set(gap.macs, "tile_padding", p.tile_padding);
  set(gap.macs, "padding_taps_skipped", -moved.padding_macs);
  set(gap.macs, "causal_skipped", -moved.masked_macs);
  set(gap.macs, "host_products", -p.host_macs);
  set(gap.macs, "steps_skipped", -p.steps_skipped);
  set(gap.macs, "gates_skipped", -p.gates_skipped);

  set(gap.bytes_loaded, "fusion", moved.read - row.ideal.bytes_read);
  set(gap.bytes_loaded, "activation_rereads", p.loaded_activations + p.loaded_residual - moved.read);
  set(gap.bytes_loaded, "weight_rereads", p.loaded_weights - row.ideal.bytes_weights);
  set(gap.bytes_loaded, "partial_sums", p.loaded_partials);
  set(gap.bytes_loaded, "state", p.loaded_state);
  set(gap.bytes_loaded, "scratch", p.loaded_scratch);

  set(gap.bytes_stored, "fusion", moved.written - row.ideal.bytes_written);
  set(gap.bytes_stored, "layout_padding", p.stored_outputs - moved.written);
  set(gap.bytes_stored, "partial_sums", p.stored_partials);
  set(gap.bytes_stored, "state", p.stored_state);
  set(gap.bytes_stored, "scratch", p.stored_scratch);
  return gap;
}

std::vector<Formula> gap_formulas(const PlanRow& row) {
  const Planned& p = row.planned;
  std::vector<Formula> formulas;
  const auto term = [](const GapTerms& terms, const std::string& name) {
    const auto found = terms.find(name);
    return found == terms.end() ? int64_t{0} : found->second;
  };
  // What a row copies or what its bodies move has terms of its own.
  const auto add = [&](const char* way, const char* name, const char* symbols, int64_t from, int64_t take) {
    const GapTerms& terms = way == std::string("loaded") ? row.gap.bytes_loaded : row.gap.bytes_stored;
    if (from != take && term(terms, name) == from - take)
      formulas.push_back(
          {way + (" " + std::string(name)), symbols, std::to_string(from) + " − " + std::to_string(take), from - take});
  };
  const auto add_skipped = [&](const char* name, const char* symbols) {
    if (const int64_t skipped = -term(row.gap.macs, name); skipped != 0)
      formulas.push_back(
          {name, symbols, std::to_string(row.ideal.macs - skipped) + " − " + std::to_string(row.ideal.macs), -skipped});
  };
  add_skipped("padding_taps_skipped", "macs_nopad − macs");
  add_skipped("causal_skipped", "macs_causal − macs");
  const int64_t loaded = p.loaded_activations + p.loaded_residual;
  const int64_t read = loaded - term(row.gap.bytes_loaded, "activation_rereads");
  const int64_t written = p.stored_outputs - term(row.gap.bytes_stored, "layout_padding");
  add("loaded", "fusion", "what the row reads, once − what its nodes read", read, row.ideal.bytes_read);
  add("loaded", "activation_rereads", "loaded_activations − what the row reads, once", loaded, read);
  add("loaded", "weight_rereads", "loaded_weights − weights, once", p.loaded_weights, row.ideal.bytes_weights);
  add("stored", "fusion", "what the row writes − what its nodes write", written, row.ideal.bytes_written);
  add("stored", "layout_padding", "stored_outputs − what the row writes", p.stored_outputs, written);
  return formulas;
}

}  // namespace tally
