// JSON documents: what every reader of them relies on.
#include <doctest/doctest.h>

#include <set>

#include "tests/reference/evaluate.h"
#include "tests/tools/program.h"

using namespace tally;
using namespace tally::test;
using nlohmann::json;

namespace {

void check_head(const json& document, const std::string& kind) {
  REQUIRE(document.is_object());
  CHECK(document["schema"] == "tally." + kind + "/1");
  CHECK(document["version"].is_string());
  CHECK(document["machine"]["cpu"].is_string());
  CHECK(document["machine"]["isas_usable"].is_array());
  CHECK(document["machine"]["compiler"].is_string());
  REQUIRE(document.contains("model"));
  if (document["model"].is_null()) {
    CHECK(document["missing"]["model"].is_string());
    return;
  }
  CHECK(document["model"]["sha256"].get<std::string>().size() == 64);
  CHECK(document["model"]["inputs"][0]["shape"].is_array());
}

int64_t sum_of(const json& terms) {
  int64_t sum = 0;
  for (const auto& [name, value] : terms.items()) sum += value.get<int64_t>();
  return sum;
}

}  // namespace

TEST_CASE("estimate: LeNet-5's hand-checked totals, rows that sum to them") {
  const json document = document_of("estimate " + kLenet);
  check_head(document, "estimate");
  const json& totals = document["totals"];
  CHECK(totals["params"] == 61706);
  CHECK(totals["macs"] == 416520);
  CHECK(totals["flops"] == 833040);
  CHECK(totals["ops_sequential"] == 833040);
  CHECK(totals["ops_fused"] == 423038);
  CHECK(totals["comparisons"] == 4728 + 6508);
  CHECK(totals["activation_elements_textbook"] == 8094);
  CHECK(totals["training_elements"] == 141648);
  for (const char* key : {"params_shared", "buffers", "constants", "macs_nopad", "macs_causal", "elementwise",
                          "special", "operations", "bytes_read", "bytes_weights", "bytes_written", "output_elements",
                          "bytes_compulsory", "bytes_io", "activation_elements", "peak_activation_bytes"}) {
    CAPTURE(key);
    CHECK(totals[key].is_number_integer());
  }
  for (const char* key : {"params", "macs", "macs_nopad", "macs_causal", "flops", "ops_sequential", "ops_fused",
                          "comparisons", "elementwise", "special", "operations", "bytes_read", "bytes_weights",
                          "bytes_written", "output_elements", "params_shared", "buffers", "constants"}) {
    int64_t sum = 0;
    for (const json& layer : document["layers"]) sum += layer[key].get<int64_t>();
    CAPTURE(key);
    CHECK(totals[key] == sum);
  }
  for (const json& layer : document["layers"])
    for (const char* key : {"name", "op", "scope", "input_shapes", "output_shapes", "coverage"})
      CHECK(layer.contains(key));
}

TEST_CASE("profile: three columns, gaps that sum, null with its reason for what could not be had") {
  const json document = document_of("profile " + kLenet + " --seed 1 --repeats 7");
  check_head(document, "profile");
  for (const json& layer : document["layers"]) {
    CAPTURE(layer["name"]);
    const json &ideal = layer["ideal"], &executed = layer["executed"], &gap = layer["gap"];
    CHECK(executed["lane_macs"].get<int64_t>() - ideal["macs"].get<int64_t>() == sum_of(gap["macs"]));
    CHECK(executed["bytes_loaded"].get<int64_t>() - ideal["bytes_read"].get<int64_t>() -
              ideal["bytes_weights"].get<int64_t>() ==
          sum_of(gap["bytes_loaded"]));
    CHECK(executed["bytes_stored"].get<int64_t>() - ideal["bytes_written"].get<int64_t>() ==
          sum_of(gap["bytes_stored"]));
    CHECK(executed["macs"].is_number_integer());
    CHECK(executed["lane_fma_other"].is_number_integer());
    CHECK(layer["nodes"].is_array());
    for (const char* key : {"op", "dtype", "isa", "kernel"}) CHECK(layer[key].is_string());
    for (const char* key : {"median", "p10", "p90", "min"}) CHECK(layer["measured"]["ns"][key].get<double>() >= 0);
    const json& measured = layer["measured"];
    for (const char* key : {"cycles", "cycle_source", "instructions", "cache_misses", "branch_misses",
                            "l1d_read_misses", "ll_read_misses", "counter_source", "energy_nj", "energy_source"}) {
      CAPTURE(key);
      REQUIRE(measured.contains(key));
      if (measured[key].is_null()) CHECK(document["missing"][key].is_string());
    }
    if (!measured["cycles"].is_null()) CHECK(measured["cycle_source"].is_string());
    if (measured["instructions"].is_null()) CHECK(measured["cycle_source"] != "pmu");
    CHECK(layer["intensity"].is_number());
    CHECK(layer["intensities"]["issued"].is_number() == (layer["bytes"]["issued"] > 0));
    CHECK(layer["roof"].is_null());
  }
  CHECK(document["missing"]["roof"].is_string());
  CHECK(document["totals"]["ideal"]["macs"] == 416520);
  CHECK(document["tally_overhead"].is_number());
  const json& repeatability = document["repeatability"];
  CHECK(repeatability["repeats"] == 7);
  CHECK(repeatability["fit"].is_boolean());
  CHECK(repeatability["fit"].get<bool>() == repeatability["reasons"].empty());
  CHECK(repeatability["ns"]["median_ci95"].size() == 2);
  CHECK(repeatability["tally_overhead_ci95"].size() == 2);
  CHECK(repeatability["warmup"]["runs"].get<int64_t>() >= 3);
}

TEST_CASE("profile: counters not asked for, and one thread left to the system") {
  const json document =
      document_of("profile " + kLenet + " --seed 1 --repeats 3 --counters off --no-pin --no-overhead");
  const json& measured = document["totals"]["measured"];
  for (const char* key : {"cycles", "instructions", "energy_nj"}) {
    CHECK(measured[key].is_null());
    CHECK(document["missing"][key].get<std::string>().find("--counters off") != std::string::npos);
  }
  const json& repeatability = document["repeatability"];
  CHECK(repeatability["placement"]["pinned_cpu"].is_null());
  CHECK(repeatability["missing"]["placement.pinned_cpu"].get<std::string>().find("--no-pin") != std::string::npos);
  CHECK(document["tally_overhead"].is_null());
  CHECK(document["missing"]["tally_overhead"].is_string());
}

TEST_CASE("bench and run") {
  const json bench = document_of("bench " + kLenet + " --seed 1 --repeats 20");
  check_head(bench, "bench");
  for (const char* key : {"min", "p10", "median", "p90", "p99", "mean", "stddev"})
    CHECK(bench["latency_ns"][key].is_number());
  CHECK(bench["latency_ns"]["samples"] == 20);
  const json& histogram = bench["latency_histogram"];
  CHECK(sum_of(histogram["counts"]) + histogram["above"].get<int64_t>() == 20);
  CHECK(histogram["max_ns"].get<double>() >= bench["latency_ns"]["p99"].get<double>());
  CHECK(bench["latency_ns"]["median_ci95"].size() == 2);
  CHECK(bench["throughput_per_s"].get<double>() > 0);
  CHECK(bench["repeatability"]["fit"].is_boolean());
  for (const char* key : {"cycles", "cycle_source", "instructions", "cache_misses", "energy_nj"}) {
    REQUIRE(bench.contains(key));
    if (bench[key].is_null()) CHECK(bench["missing"][key].is_string());
  }
  for (const char* key : {"load_ns", "peak_rss_bytes", "arena_bytes", "weights_bytes"})
    CHECK(bench[key].get<int64_t>() > 0);
  const json run = document_of("run " + kLenet + " --seed 1");
  check_head(run, "run");
  CHECK(run["outputs"][0]["shape"] == json({1, 10}));
  CHECK(run["outputs"][0]["first"].size() == 10);
}

TEST_CASE("a forced instruction set is what ran") {
  for (const char* isa : {"scalar"}) {
    const json document = document_of("profile " + kLenet + " --seed 1 --repeats 5 --isa " + isa);
    CHECK(document["machine"]["isa"] == isa);
    for (const json& layer : document["layers"]) CHECK(layer["isa"] == isa);
  }
  const Ran ran = run_tally("profile " + kLenet + " --seed 1 --repeats 5 --format json", "TALLY_ISA=scalar");
  CHECK(json::parse(ran.out)["machine"]["isa"] == "scalar");
}

TEST_CASE("rows that ran on the host name no instruction set and claim no lanes") {
  const TemporaryFolder folder;
  Builder b;
  const auto x = b.named(b.input({2, 3}, DType::f16), "x");
  b.output(b.matmul(x, b.constant(Tensor(DType::f16, {3, 4}))));
  const std::string file = (folder.path / "half.onnx").string();
  write_onnx(b.graph(), file);
  const json document = document_of("profile " + file + " --seed 1 --repeats 5");
  const json& layer = document["layers"][0];
  CHECK(layer["kernel"] == "host");
  CHECK(layer["isa"].is_null());
  CHECK(layer["missing"]["isa"].is_string());
  CHECK(layer["executed"]["macs"] == 24);
  CHECK(layer["executed"]["lane_macs"] == 0);
  CHECK(sum_of(layer["gap"]["macs"]) == -24);
}

TEST_CASE("verify, explain and info") {
  const json verify = document_of("verify " + kLenet);
  check_head(verify, "verify");
  CHECK(verify["passed"] == 4);
  CHECK(verify["failed"] == 0);
  const json explain = document_of("explain " + kLenet + " 0");
  check_head(explain, "explain");
  CHECK(explain["layer"]["formulas"][0]["value"] == 117600);
  const json info = document_of("info");
  check_head(info, "info");
  CHECK(info["counters"].contains("reason"));
  CHECK(info["energy_sources"].is_array());
  for (const char* key : {"energy_source", "core_mhz", "cpufreq_mhz", "celsius", "pi_flags"}) {
    REQUIRE(info.contains(key));
    if (info[key].is_null()) CHECK(info["missing"][key].is_string());
  }
}

TEST_CASE("explain gives every term of a gap its numbers, and they come to it") {
  const std::string models = TALLY_SOURCE_DIR "/tools/models/";
  for (const char* model : {"lenet5_fashion.onnx", "elman_fashion.onnx", "lstm_fashion.onnx", "gru_fashion.onnx",
                            "transformer_fashion.onnx"}) {
    const size_t layers = document_of("estimate " + models + model)["layers"].size();
    for (size_t i = 0; i < layers; ++i) {
      const json plan = document_of("explain " + models + model + " " + std::to_string(i))["plan"];
      if (plan.is_null()) continue;
      CAPTURE(model);
      CAPTURE(i);
      std::set<std::string> quantities;
      for (const json& formula : plan["formulas"]) {
        quantities.insert(formula["quantity"]);
        const std::string numbers = formula["numbers"];
        CAPTURE(numbers);
        reference::Evaluation evaluation(numbers);
        CHECK(evaluation.sum() == formula["value"].get<int64_t>());
        CHECK(evaluation.done());
      }
      const auto check_terms = [&](const char* key, const std::string& way) {
        for (const auto& [name, value] : plan["gap"][key].items()) {
          const std::string term = way + name;
          CAPTURE(term);
          CHECK(quantities.contains(term));
        }
      };
      check_terms("macs", "");
      check_terms("bytes_loaded", "loaded ");
      check_terms("bytes_stored", "stored ");
    }
  }
}

TEST_CASE("info --selftest checks every usable instruction set") {
  const json info = document_of("info --selftest");
  REQUIRE(info["selftest"].is_array());
  CHECK(info["selftest"].size() == info["machine"]["isas_usable"].size());
  for (const json& test : info["selftest"]) CHECK(test["passed"] == true);
  CHECK(info["counter_selftest"].size() == 8);
  for (const json& test : info["counter_selftest"])
    if (test["passed"].is_null()) CHECK(test["reason"].is_string());
}

TEST_CASE("claims of a marked run name its buffers") {
  const TemporaryFolder folder;
  const std::string file = (folder.path / "claims.jsonl").string();
  CHECK(run_tally("run " + kLenet + " --seed 1 --mark --claims " + file).code == 0);
  const json claim = json::parse(contents(file));
  CHECK(claim["section"] == 0);
  CHECK(claim["lane_macs"].get<int64_t>() >= 416520);
  CHECK(claim["anchor"]["symbol"].is_string());
  for (const json& buffer : claim["buffers"]) CHECK(buffer["address"].get<uint64_t>() % 64 == 0);
  CHECK(run_tally("run " + kLenet + " --seed 1 --claims " + file).code == 2);
}
