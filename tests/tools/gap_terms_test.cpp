#include "tools/gap_terms.h"

#include <doctest/doctest.h>

#include "tally/engine/gap.h"

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
