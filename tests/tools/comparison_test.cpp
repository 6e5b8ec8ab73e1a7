#include "tools/compare/comparison.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"

using namespace tally;
using namespace tally::tools;

namespace {

RecordedLayer layer(const std::string& name, double ns, int64_t macs, double spread = 1) {
  RecordedLayer l;
  l.name = name;
  l.op = "Conv";
  l.nodes = {name};
  l.counts["macs"] = macs;
  l.ns.median = ns;
  l.ns.p10 = ns - spread;
  l.ns.p90 = ns + spread;
  return l;
}

Recording profile(std::vector<RecordedLayer> layers) {
  Recording r;
  r.model = "net";
  r.cpu = "Z80";
  double ns = 0;
  int64_t macs = 0;
  for (const RecordedLayer& l : layers) {
    ns += *l.ns.median;
    macs += *count_of(l.counts, "macs");
  }
  r.totals = layer("total", ns, macs);
  r.layers = std::move(layers);
  return r;
}

}  // namespace

TEST_CASE("ratios, differences, and whether intervals lie apart") {
  const Comparison c = compare(profile({layer("x", 100, 1000), layer("y", 50, 500), layer("z", 10, 7)}),
                               profile({layer("x", 150, 1000), layer("y", 51, 500), layer("z", 5, 9)}));
  REQUIRE(c.layers.size() == 3);
  const ComparedFigure& x = *figure_of(c.layers[0].figures, "ns");
  CHECK(*x.ratio() == doctest::Approx(1.5));
  CHECK(std::get<double>(x.difference()) == doctest::Approx(50));
  CHECK(x.apart == true);
  CHECK(figure_of(c.layers[1].figures, "ns")->apart == false);
  CHECK(std::get<int64_t>(figure_of(c.layers[2].figures, "macs")->difference()) == 2);
  CHECK(figure_of(c.layers[0].figures, "macs")->ratio() == 1.0);
  CHECK(figure_of(c.layers[0].figures, "lane_macs") == nullptr);
}

TEST_CASE("a confidence interval of the median comes before percentiles") {
  RecordedLayer a = layer("x", 100, 1, 30), b = layer("x", 110, 1, 30);
  const auto apart = [&] { return figure_of(compare(profile({a}), profile({b})).layers[0].figures, "ns")->apart; };
  CHECK(apart() == false);
  a.ns.low = 99, a.ns.high = 101;
  b.ns.low = 108, b.ns.high = 112;
  CHECK(apart() == true);
  a = layer("x", 100, 1);
  a.ns.p10.reset();
  CHECK(!apart());
}

TEST_CASE("what one row absorbed is added up") {
  RecordedLayer fused = layer("conv", 120, 1000);
  fused.nodes = {"conv", "relu"};
  const Comparison c = compare(profile({layer("conv", 100, 1000), layer("relu", 50, 0)}), profile({fused}));
  REQUIRE(c.layers.size() == 1);
  CHECK(c.layers[0].name_a == "conv + relu");
  CHECK(*figure_of(c.layers[0].figures, "ns")->value_a() == doctest::Approx(150));
  CHECK(*figure_of(c.layers[0].figures, "ns")->ratio() == doctest::Approx(0.8));
}

TEST_CASE("sums that no integer holds are missing, not wrong") {
  const Comparison c = compare(profile({layer("conv", 1, INT64_MAX), layer("relu", 1, 0)}), [] {
    RecordedLayer fused = layer("conv", 1, 5);
    fused.nodes = {"conv", "relu"};
    return profile({fused});
  }());
  CHECK(figure_of(c.layers[0].figures, "macs")->value_a().has_value());
  const ComparedFigure f{"macs", int64_t{INT64_MIN}, int64_t{INT64_MAX}, std::nullopt};
  CHECK(std::holds_alternative<double>(f.difference()));
  CHECK(!f.ratio());
}

TEST_CASE("excesses are named; noise is none") {
  const Recording a = profile({layer("x", 100, 10), layer("y", 100, 10)});
  CHECK(excesses(compare(a, a), 0, true).empty());
  const Recording slower = profile({layer("x", 130, 10), layer("y", 100.4, 10)});
  CHECK(excesses(compare(a, slower), 20, false).empty());
  CHECK(excesses(compare(a, slower), 10, false) ==
        std::vector<std::string>{"total: ns is +15.2 %, must be at most +10 %"});
  CHECK(excesses(compare(a, slower), 20, true) == std::vector<std::string>{"x: ns is +30.0 %, must be at most +20 %"});
  CHECK(excesses(compare(slower, a), 0, true).empty());
  Recording untimed = a;
  untimed.totals.ns = {};
  CHECK(excesses(compare(a, untimed), 50, false) ==
        std::vector<std::string>{"total: ns is n/a, must be known on both sides"});
}

TEST_CASE("estimates are compared by their counts") {
  Recording a, b;
  a.kind = b.kind = RecordingKind::estimate;
  a.totals.counts = {{"params", 10}, {"macs", 100}, {"bytes_compulsory", 50}, {"peak_activation_bytes", 0}};
  b.totals.counts = {{"params", 11}, {"macs", 100}, {"bytes_compulsory", 50}, {"peak_activation_bytes", 4}};
  CHECK(excesses(compare(a, b), 5, false) ==
        std::vector<std::string>{"total: params is +10.0 %, must be at most +5 %",
                                 "total: peak_activation_bytes was 0, must stay 0"});
  CHECK(excesses(compare(a, a), 0, false).empty());
}

TEST_CASE("kinds must be the same") {
  Recording a, b;
  b.kind = RecordingKind::bench;
  CHECK_THROWS_AS(compare(a, b), Error);
  a.kind = b.kind = RecordingKind::machine;
  CHECK_THROWS_AS(compare(a, b), Error);
}

TEST_CASE("other machines are warned of") {
  Recording a = profile({layer("x", 1, 1)}), b = a;
  b.cpu = "6502";
  b.sha256 = "other";
  const std::vector<std::string> warnings = compare(a, b).warnings;
  CHECK(warnings == std::vector<std::string>{"the model files differ (sha256)", "machines differ: Z80 and 6502"});
}
