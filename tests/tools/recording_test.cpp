#include "tools/compare/recording.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tests/engine/temporary_folder.h"
#include "tools/compare/document_value.h"
#include "tools/compare/recorded_limits.h"

using namespace tally;
using namespace tally::tools;
using tally::test::TemporaryFolder;

namespace {

Recording read(const std::string& json) {
  const TemporaryFolder folder;
  return read_recording(folder.write("a.json", json));
}

/// What is wrong with a document; every such error is of the input, exit code 3.
std::string error_of(const std::string& json) {
  try {
    read(json);
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::model);
    return error.what();
  }
  return "none";
}

bool says(const std::string& json, const std::string& words) {
  const std::string error = error_of(json);
  CAPTURE(error);
  return error.find(words) != std::string::npos;
}

const std::string kProfile = R"({"schema": "tally.profile/1", "version": "9", "threads": 2,
  "model": {"name": "net", "path": "net.onnx", "sha256": "ab", "bytes": 1000},
  "machine": {"cpu": "Z80", "isa": "avx2"},
  "layers": [{"name": "c", "nodes": ["c", "r"], "op": "Conv", "dtype": "float32", "isa": "avx2", "kernel": "gemm",
    "output_shapes": [[1, 6, 28, 28]],
    "ideal": {"macs": 100, "bytes_read": 10, "bytes_weights": 20, "bytes_written": 30},
    "executed": {"macs": 96, "lane_macs": 128, "lane_fma_other": 0, "bytes_loaded": 40, "bytes_stored": 8},
    "gap": {"macs": {"lane_padding": 32, "padding_taps_skipped": -4},
            "bytes_loaded": {"weight_rereads": 10}, "bytes_stored": {}},
    "measured": {"ns": {"median": 50, "p10": 45, "p90": 60, "min": 44}, "cycles": null, "energy_nj": null},
    "roof": {"bound": "compute", "ns": 25, "share": 0.5}}],
  "totals": {"ideal": {"macs": 100}, "executed": {"macs": 96, "lane_macs": 128},
             "measured": {"ns": {"median": 52}}, "arena_bytes": 64},
  "missing": {"cycles": "no PMU"}})";

}  // namespace

TEST_CASE("a profile is read back") {
  const Recording r = read(kProfile);
  CHECK(r.kind == RecordingKind::profile);
  CHECK(r.model == "net");
  CHECK(r.cpu == "Z80");
  CHECK(r.threads == 2);
  CHECK(r.missing.at("cycles") == "no PMU");
  REQUIRE(r.layers.size() == 1);
  const RecordedLayer& l = r.layers[0];
  CHECK(l.nodes == std::vector<std::string>{"c", "r"});
  CHECK(l.output_shapes == "1×6×28×28");
  CHECK(count_of(l.counts, "macs") == 100);
  CHECK(count_of(l.counts, "executed_macs") == 96);
  CHECK(sum_of(l.counts, {"bytes_read", "bytes_weights", "bytes_written"}) == 60);
  CHECK(!count_of(l.counts, "params"));
  CHECK(l.gap_macs == std::vector<NamedCount>{{"lane_padding", 32}, {"padding_taps_skipped", -4}});
  CHECK(*l.intensity() == doctest::Approx(2.0 * 96 / 48));
  CHECK(*l.ns.median == 50);
  CHECK(!l.cycles);
  CHECK(l.bound == "compute");
  CHECK(*r.totals.ns.median == 52);
  CHECK(count_of(r.figures, "arena_bytes") == 64);
}

TEST_CASE("what is missing or null is missing") {
  const Recording r =
      read(R"({"schema": "tally.profile/1", "layers": [{"name": "c", "measured": {"ns": null}, "roof": null}]})");
  CHECK(r.layers[0].nodes == std::vector<std::string>{"c"});
  CHECK(!r.layers[0].ns.median);
  CHECK(!r.layers[0].intensity());
  CHECK(!sum_of(r.layers[0].counts, {"bytes_read"}));
}

TEST_CASE("documents that are none are refused with the place") {
  CHECK(says("", "is no JSON"));
  CHECK(says("{\"schema\": ", "is no JSON"));
  CHECK(says("{\"schema\": \"tally.profile/1\"} x", "is no JSON"));
  CHECK(says("{\"x\": 1e999}", "is no JSON"));
  CHECK(says("\xff\xfe", "is no JSON"));
  CHECK(says("[]", "has no \"schema\""));
  CHECK(says("{}", "has no \"schema\""));
  CHECK(says(R"({"schema": 1})", "has no \"schema\""));
  CHECK(says(R"({"schema": "tally.profile/2"})", "\"tally.profile/2\" must be one of tally.profile/1, tally.bench/1"));
  CHECK(says(R"({"schema": "tally.run/1"})", "must be one of"));
  CHECK(says(R"({"schema": "tally.profile/1", "layers": {}})", "layers: an object must be an array"));
  CHECK(says(R"({"schema": "tally.profile/1", "layers": [3]})", "layers[0]: 3 must be an object"));
  CHECK(says(R"({"schema": "tally.profile/1", "layers": [{"name": 7}]})", "layers[0].name: 7 must be text or null"));
  CHECK(says(R"({"schema": "tally.profile/1", "layers": [{"gap": {"macs": {"x": 1.5}}}]})",
             "layers[0].gap.macs.x: 1.5 must be an integer"));
  CHECK(says(R"({"schema": "tally.profile/1", "layers": [{"gap": {"macs": {"x": 18446744073709551615}}}]})",
             "must be an integer"));
  CHECK(says(R"({"schema": "tally.profile/1", "layers": [{"measured": {"ns": {"median": "fast"}}}]})",
             "ns.median: \"fast\" must be a number"));
  CHECK(says(R"({"schema": "tally.bench/1", "latency_histogram": {"width_ns": 0, "counts": [1]}})",
             "must be a number above 0"));
  CHECK(says(R"({"schema": "tally.bench/1", "latency_histogram": {"width_ns": 1, "counts": [-1]}})",
             "counts[0]: -1 must be >= 0"));
  CHECK(says(std::string(100'000, '['), "must be at most 64"));
  CHECK_THROWS_AS(read_recording("/no/such/file.json"), Error);
  CHECK_THROWS_AS(read_recording("/dev"), Error);
}

TEST_CASE("a machine file's limits, and which of them lie over a run") {
  const Recording machine = read(R"({"schema": "tally.machine/1", "machine": {"cpu": "Z80"}, "clusters": [{
    "peaks": [{"dtype": "fp32", "isa": "sse2", 
               "macs_per_s": {"one_core": {"value": 10e9, "source": "measured"}, "all_cores": {"value": 35e9}}},
              {"dtype": "fp32", "isa": "avx2", "macs_per_s": {"one_core": {"value": 50e9}, "all_cores": null}},
              {"dtype": "int8", "isa": "avx2", "macs_per_s": {"one_core": {"value": 90e9}}}],
    "levels": [{"name": "L1", "read_bytes_per_s": {"one_core": {"value": 200e9}}},
               {"name": "dram", "read_bytes_per_s": {"one_core": {"value": 10e9}, "all_cores": {"value": 15e9}}},
               {"name": "L3", "read_bytes_per_s": null}]}]})");
  CHECK(machine.limits.size() == 6);
  CHECK(machine.limits[0].source == "measured");
  Recording run = read(kProfile);
  const std::vector<RecordedRoof> roofs = roofs_over(run, machine.limits);
  REQUIRE(roofs.size() == 3);
  CHECK(roofs[0].name == "fp32 avx2");
  CHECK(roofs[0].per_s == doctest::Approx(100e9));  // two threads, no figure for all cores
  CHECK(roofs[1].name == "L1");
  CHECK(roofs[2].name == "DRAM");
  CHECK(roofs[2].per_s == doctest::Approx(15e9));  // not twice 10
  run.isa = "sse2";
  run.threads = 8;
  CHECK(roofs_over(run, machine.limits)[0].per_s == doctest::Approx(35e9));
  run.isa = "neon64";
  CHECK(!roofs_over(run, machine.limits)[0].compute);
  CHECK(roofs_over(run, {}).empty());
  CHECK(says(R"({"schema": "tally.machine/1", "clusters": [{"levels": [{"read_bytes_per_s": null}]}]})",
             "must name a level"));
}
