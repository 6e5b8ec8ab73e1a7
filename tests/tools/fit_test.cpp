#include "tools/machine/fit.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <random>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/machine/prediction.h"

namespace tally::tools {
namespace {

FitRow row_of(const std::string& op, int64_t macs, int64_t bytes, double ns) {
  FitRow r;
  r.row.op = op;
  r.row.macs = macs;
  r.row.bytes_read = bytes;
  r.ns = ns;
  return r;
}

/// Layers whose time is exactly a·MACs + b·bytes + c, off by up to `noise` of it.
FitModel model_of(const std::string& name, double a, double b, double c, double noise, uint32_t seed) {
  std::mt19937 engine(seed);
  FitModel model{name, "avx2", 1, {}};
  for (int i = 0; i < 12; ++i) {
    const auto macs = std::uniform_int_distribution<int64_t>(0, 1'000'000)(engine);
    const auto bytes = std::uniform_int_distribution<int64_t>(1000, 300'000)(engine);
    const double off = std::uniform_real_distribution<double>(-noise, noise)(engine);
    const double ns = a * static_cast<double>(macs) + b * static_cast<double>(bytes) + c;
    model.rows.push_back(row_of(i % 2 ? "Conv" : "Gemm", macs, bytes, ns * (1 + off)));
  }
  return model;
}

TEST_CASE("fit: recovers what made the times") {
  const Correction c = least_squares(model_of("m", 0.02, 0.01, 150, 0, 1).rows);
  CHECK(c.ns_per_mac == doctest::Approx(0.02).epsilon(1e-6));
  CHECK(c.ns_per_byte == doctest::Approx(0.01).epsilon(1e-6));
  CHECK(c.ns_per_call == doctest::Approx(150).epsilon(1e-6));
  CHECK(c.rows == 12);
}

TEST_CASE("fit: by hand, two layers and the call alone") {
  // Nothing but calls: argmin Σ (c/ns − 1)² = Σ 1/ns ÷ Σ 1/ns² = (1/10 + 1/20) ÷ (1/100 + 1/400) = 12.
  const Correction c = least_squares({row_of("Op", 0, 0, 10), row_of("Op", 0, 0, 20)});
  CHECK(c.ns_per_mac == 0);
  CHECK(c.ns_per_byte == 0);
  CHECK(c.ns_per_call == doctest::Approx(12));
}

TEST_CASE("fit: no coefficient is negative, though least squares would have one") {
  // More bytes, less time.
  const Correction c =
      least_squares({row_of("Op", 1000, 9000, 100), row_of("Op", 1000, 1000, 180), row_of("Op", 2000, 8000, 230)});
  CHECK(c.ns_per_mac >= 0);
  CHECK(c.ns_per_byte == 0);
  CHECK(c.ns_per_call >= 0);
  // A least of the allowed ones: no allowed step aside is better.
  const auto loss = [&](double a, double b, double call) {
    double sum = 0;
    for (const auto& [m, y, ns] :
         std::vector<std::array<double, 3>>{{1000, 9000, 100}, {1000, 1000, 180}, {2000, 8000, 230}})
      sum += std::pow((a * m + b * y + call - ns) / ns, 2);
    return sum;
  };
  const double least = loss(c.ns_per_mac, c.ns_per_byte, c.ns_per_call);
  for (const double step : {-1e-3, 1e-3}) {
    CHECK(loss(std::max(0.0, c.ns_per_mac + step), c.ns_per_byte, c.ns_per_call) >= least);
    CHECK(loss(c.ns_per_mac, std::max(0.0, c.ns_per_byte + step), c.ns_per_call) >= least);
    CHECK(loss(c.ns_per_mac, c.ns_per_byte, std::max(0.0, c.ns_per_call + step * 100)) >= least);
  }
}

TEST_CASE("fit: operators with layers enough have their own; held-out error is that of models left out") {
  const std::vector<FitModel> models = {model_of("a", 0.02, 0.01, 150, 0.02, 1),
                                        model_of("b", 0.02, 0.01, 150, 0.02, 2),
                                        model_of("c", 0.02, 0.01, 150, 0.02, 3)};
  const Fit fit = fit_models(models);
  CHECK(fit.kinds.size() == 2);
  CHECK(fit.models == std::vector<std::string>{"a", "b", "c"});
  CHECK(fit_models(models, 100).kinds.empty());
  const HeldOut error = held_out(models, read_machine_file("raspberry-pi-4"));
  CHECK(error.by_model);
  CHECK(error.totals.size() == 3);
  CHECK(error.layer_error < 0.03);
  CHECK(error.total_error < 0.03);
  CHECK(error.uncorrected_layer_error > 0.1);
  const HeldOut alone = held_out({models[0]}, read_machine_file("raspberry-pi-4"));
  CHECK_FALSE(alone.by_model);
  CHECK(alone.totals.size() == 5);
  CHECK(alone.layer_error < 0.05);
  FitModel lone{"lone", "avx2", 1, {row_of("Op", 10, 10, 10)}};
  CHECK(held_out({lone}, read_machine_file("raspberry-pi-4")).totals.empty());
}

TEST_CASE("fit: profiles that do not go together, or are none, are refused") {
  FitModel other = model_of("b", 0.1, 0.1, 1, 0, 4);
  other.threads = 2;
  CHECK_THROWS_AS(fit_models({model_of("a", 0.1, 0.1, 1, 0, 5), other}), Error);
  CHECK_THROWS_AS(fit_models({FitModel{"empty", "avx2", 1, {}}}), Error);
  using nlohmann::ordered_json;
  ordered_json good{{"schema", "tally.profile/1"}, {"model", {{"name", "m"}}}, {"machine", {{"isa", "avx2"}}}};
  good["threads"] = 1;
  good["layers"] = ordered_json::array();
  ordered_json layer{{"name", "l"}, {"op", "Conv"}, {"nodes", {"l"}}};
  layer["ideal"] = {{"macs", 10}, {"bytes_read", 100}, {"bytes_weights", 20}, {"bytes_written", 50}};
  layer["gap"] = {{"bytes_loaded", {{"fusion", -30}}}, {"bytes_stored", {{"fusion", -10}}}};
  layer["measured"] = {{"ns", {{"median", 5.0}}}};
  good["layers"].push_back(layer);
  const FitModel model = fit_rows(good, "p");
  REQUIRE(model.rows.size() == 1);
  CHECK(model.rows[0].row.bytes() == 130);
  for (const char* pointer : {"/schema", "/model/name", "/machine/isa", "/threads", "/layers/0/ideal/macs",
                              "/layers/0/ideal", "/layers/0/measured/ns"}) {
    ordered_json bad = good;
    bad[ordered_json::json_pointer(pointer).parent_pointer()].erase(ordered_json::json_pointer(pointer).back());
    CAPTURE(pointer);
    CHECK_THROWS_AS(fit_rows(bad, "p"), Error);
  }
  ordered_json negative = good;
  negative["layers"][0]["ideal"]["macs"] = -1;
  CHECK_THROWS_AS(fit_rows(negative, "p"), Error);
  CHECK_THROWS_AS(fit_rows(ordered_json(3), "p"), Error);
}

TEST_CASE("prediction: by hand, on a machine of round figures") {
  MachineFile machine;
  machine.name = "Round";
  MachineCluster cluster;
  cluster.name = "core";
  const auto rate = [](double v) { return Rate{{v, "model", ""}, {}}; };
  cluster.peaks = {{"fp32", "any", rate(1e9)}};  // 1 MAC a ns
  cluster.levels = {{"L1", 1000, 64, 1, 1, rate(8e9), rate(8e9), {}},
                    {"L2", 10000, 64, 1, 1, rate(4e9), rate(2e9), {}},
                    {"dram", 0, 0, 0, 0, rate(1e9), rate(0.5e9), {}}};
  cluster.call_ns = {10, "model", ""};
  machine.clusters = {cluster};
  FusedRow conv;
  conv.op = "Conv";
  conv.macs = 5000;
  conv.elementwise = 200;
  conv.bytes_weights = 400;
  conv.bytes_read = 300;
  conv.bytes_written = 200;  // 900 B: fits L1
  FusedRow gemm = conv;
  gemm.op = "Gemm";
  gemm.macs = 100;
  gemm.elementwise = 0;
  gemm.bytes_weights = 12000;
  const Prediction p = predict({conv, gemm}, 600, machine, 1);
  CHECK(p.working_set == 13000);  // beyond L2: weights come from memory
  CHECK(p.rows[0].compute_ns == doctest::Approx(5100));
  CHECK(p.rows[0].theoretical_ns == doctest::Approx(5000));
  CHECK(p.rows[0].weights_ns == doctest::Approx(400));
  CHECK(p.rows[0].activations_ns == doctest::Approx(300 / 8. + 200 / 8.));
  CHECK(p.rows[0].bound == Bound::compute);
  CHECK(p.rows[0].ns == doctest::Approx(5110));
  CHECK(p.rows[1].weights_level == Bound::dram);
  CHECK(p.rows[1].bound == Bound::dram);
  CHECK(p.rows[1].ns == doctest::Approx(12000 + 300 / 1. + 200 / 0.5 + 10));
  CHECK(p.ns == doctest::Approx(p.rows[0].ns + p.rows[1].ns));
  CHECK_FALSE(p.fitted);
  FusedRow lstm = conv;
  lstm.op = "LSTM";
  lstm.macs = 1000;  // 400 B of weights, ten walks: one from memory, nine from L1
  CHECK(predict({lstm}, 11000, machine, 1).rows[0].weights_ns == doctest::Approx(400 / 1. + 9 * 400 / 8.));
  machine.fit = Fit{};
  machine.fit->overall = {2, 0, 1, 9};
  CHECK(predict({conv}, 600, machine, 1).ns == doctest::Approx(10001));
  machine.clusters[0].peaks.clear();
  CHECK_THROWS_AS(predict({conv}, 600, machine, 1), Error);
}

}  // namespace
}  // namespace tally::tools
