#include "tools/estimate/gap_terms.h"

#include <doctest/doctest.h>

#include "tally/engine/gap.h"
#include "tools/estimate/planned_formulas.h"

using namespace tally;
using namespace tally::tools;

namespace {

PlanRow named(const std::string& name) {
  PlanRow plan;
  plan.name = name;
  return plan;
}

ProfileRow row(const PlanRow& plan, GapTerms macs, GapTerms loaded) {
  ProfileRow r;
  r.plan = &plan;
  r.gap.macs = std::move(macs);
  r.gap.bytes_loaded = std::move(loaded);
  return r;
}

}  // namespace

TEST_CASE("terms are summed and signed") {
  CHECK(terms_text({}) == "");
  CHECK(terms_text({{"fusion", -1200}}) == "−1,200 fusion");
  CHECK(terms_text({{"fusion", -1200}, {"weight_rereads", 2000}}) == "+800 = −1,200 fusion, +2,000 weight_rereads");
}

TEST_CASE("the table sums terms over rows and names the largest contributor") {
  const PlanRow a = named("a"), b = named("b");
  const std::vector<ProfileRow> rows{row(a, {{"lane_padding", 10}}, {{"fusion", -5}}),
                                     row(b, {{"lane_padding", 30}}, {})};
  const Table table = gap_table(rows);
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0] == std::vector<Cell>{std::string("lane MACs"), std::string("lane_padding"), int64_t{40},
                                           std::string("b"), std::string(meaning_of_term("lane_padding"))});
  const std::vector<std::string> lines = gap_lines(rows);
  CHECK(lines == std::vector<std::string>{"a", "  - lane MACs +10 lane_padding", "  - loaded B −5 fusion", "b",
                                          "  - lane MACs +30 lane_padding"});
}

TEST_CASE("every term that the engine makes has its words") {
  PlanRow r;
  for (auto part : kPlannedParts) r.planned.*part = 1;
  r.ideal = {1, 5, 7, 9};
  const Gap gap = explain_gap(r, {11, 13, 17});
  for (const GapTerms* terms : {&gap.macs, &gap.bytes_loaded, &gap.bytes_stored})
    for (const auto& [name, value] : *terms) {
      const std::string term = name;  // clang 14 captures no structured binding
      CAPTURE(term);
      CHECK(!meaning_of_term(term).empty());
    }
  for (const char* term : {"reorder", "output_copy", "control", "iterations", "branch"})
    CHECK(!meaning_of_term(term).empty());
}

TEST_CASE("the formulas of a gap come to its terms") {
  PlanRow r;
  r.planned.loaded_activations = 100, r.planned.loaded_residual = 20, r.planned.loaded_weights = 64;
  r.planned.stored_outputs = 48;
  r.ideal = {900, 35, 7, 50};
  r.gap = explain_gap(r, {30, 40, 100, 300});
  const std::vector<Formula> formulas = gap_formulas(r);
  const auto check = [&](size_t k, const char* quantity, const char* numbers, int64_t value) {
    CHECK(formulas[k].quantity == quantity);
    CHECK(formulas[k].numbers == numbers);
    CHECK(formulas[k].value == value);
  };
  REQUIRE(formulas.size() == 7);
  check(0, "padding_taps_skipped", "800 − 900", r.gap.macs.at("padding_taps_skipped"));
  check(1, "causal_skipped", "600 − 900", r.gap.macs.at("causal_skipped"));
  check(2, "loaded fusion", "30 − 35", r.gap.bytes_loaded.at("fusion"));
  check(3, "loaded activation_rereads", "120 − 30", r.gap.bytes_loaded.at("activation_rereads"));
  check(4, "loaded weight_rereads", "64 − 7", r.gap.bytes_loaded.at("weight_rereads"));
  check(5, "stored fusion", "40 − 50", r.gap.bytes_stored.at("fusion"));
  check(6, "stored layout_padding", "48 − 40", r.gap.bytes_stored.at("layout_padding"));
  r.gap.bytes_loaded = {{"output_copy", 120}};  // a row of another kind
  CHECK(gap_formulas(r).size() == 4);
}

TEST_CASE("a term that no part tells is what the others leave") {
  PlanRow row;
  row.ideal = {0, 100, 20, 0};
  row.planned.tally.bytes_loaded = 150;
  row.gap.bytes_loaded = {{"branch", 22}, {"control", 8}};
  const std::vector<Formula> formulas = planned_formulas(Plan(), row);
  REQUIRE(formulas.size() == 2);
  CHECK(formulas[1].quantity == "loaded control");
  CHECK(formulas[1].numbers == "150 − 120 − 22");
  CHECK(formulas[1].value == 8);
}
