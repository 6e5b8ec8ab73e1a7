#include "tools/estimate/energy_model.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/layers/builder.h"

using namespace tally;
using namespace tally::tools;

namespace {

/// Linear 4096 → 1000 and a Relu: 4,096,000 MACs, 1000 elementwise operations and as many comparisons.
Estimate classifier() {
  Builder b;
  b.output(b.relu(b.linear(b.input({1, 4096}), b.constant(Tensor::without_data(DType::f32, {1000, 4096})),
                           b.constant(Tensor::without_data(DType::f32, {1000})))));
  return Model(b.graph(), {.weights = false}).estimate();
}

}  // namespace

TEST_CASE("energy: Horowitz's table, by hand") {
  const Estimate estimate = classifier();
  const int64_t bytes = 4 * (4096 + 4096 * 1000 + 1000 + 1000 + 2000);
  CHECK(bytes_at_width(estimate, 4) == bytes);
  CHECK(bytes_at_width(estimate, 1) == bytes / 4);
  const std::vector<EnergyRow> rows = energy_rows(estimate, {});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].format == "fp32");
  CHECK(rows[0].macs_pj == doctest::Approx(4.6 * 4096000));
  CHECK(rows[0].other_pj == doctest::Approx(0.9 * 2000));
  CHECK(rows[0].bytes_low_pj == doctest::Approx(12.5 * static_cast<double>(bytes)));
  CHECK(rows[0].bytes_high_pj == doctest::Approx(162.5 * static_cast<double>(bytes)));
  CHECK(rows[1].macs_pj == doctest::Approx(1.5 * 4096000));
  CHECK(rows[2].macs_pj == doctest::Approx(0.3 * 4096000));
  CHECK(rows[2].high_pj() == doctest::Approx(0.3 * 4096000 + 0.1 * 2000 + 162.5 * static_cast<double>(bytes) / 4));
}

TEST_CASE("energy: a table and a grid of one's own") {
  EnergyOptions options;
  options.pj_per_mac = 2.0;
  options.pj_per_byte = 10.0;
  options.grid_g_per_kwh = 3.6e6;  // a gram a joule
  const Estimate estimate = classifier();
  const std::vector<EnergyRow> rows = energy_rows(estimate, options);
  REQUIRE(rows.size() == 1);
  const double pj = 2.0 * 4096000 + 10.0 * static_cast<double>(estimate.totals.bytes_compulsory);
  CHECK(rows[0].high_pj() == doctest::Approx(pj));
  const auto json = energy_json(rows, options);
  CHECK(json["source"] == "given");
  CHECK(json["formats"][0]["co2_g_most"].get<double>() == doctest::Approx(pj * 1e-12));
  CHECK(energy_json(energy_rows(estimate, {}), {})["table"].get<std::string>().find("Horowitz") != std::string::npos);
  CHECK(energy_notes({}).size() == 2);
}
