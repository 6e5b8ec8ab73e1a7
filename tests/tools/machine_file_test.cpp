#include "tools/machine/machine_file.h"

#include <doctest/doctest.h>

#include <fstream>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tests/engine/temporary_folder.h"
#include "tools/machine/calibration.h"
#include "tools/output/document.h"

namespace tally::tools {
namespace {

using nlohmann::ordered_json;

MachineFile small_machine() {
  MachineFile file;
  file.name = file.cpu = "Test";
  MachineCluster cluster;
  cluster.name = "core";
  cluster.cores = 4;
  const Figure one{1e10, "model", "data sheet: 4 lanes"}, all{3e10, "model", "data sheet"};
  cluster.peaks = {{"fp32", "neon64", {one, all}}, {"int8", "neon64", {one, {}}}, {"int8", "neon64dot", {all, {}}}};
  cluster.levels = {{"L1", 32768, 64, 4, 1, {one, all}, {one, all}, {}},
                    {"dram", 0, 0, 0, 0, {one, {}}, {one, {}}, {}}};
  cluster.call_ns = {100, "measured", "", 90, 100, 110, 7};
  file.clusters = {cluster};
  file.citations = {{"data sheet", "The data sheet"}};
  return file;
}

TEST_CASE("machine file: what is written is read back, sources and spread included") {
  MachineFile file = small_machine();
  Fit fit;
  fit.isa = "neon64";
  fit.models = {"lenet"};
  fit.overall = {0.5, 0.25, 100, 9};
  fit.kinds["Conv"] = {0.1, 0, 50, 5};
  file.fit = fit;
  const ordered_json document = to_json(file, new_document("machine", nullptr, std::nullopt));
  CHECK(document["schema"] == "tally.machine/1");
  const auto& rate = document["clusters"][0]["peaks"][1]["macs_per_s"];
  CHECK(rate["all_cores"].is_null());
  CHECK(rate["missing"]["all_cores"].is_string());
  const MachineFile back = machine_from_json(document, "test");
  CHECK(to_json(back, new_document("machine", nullptr, std::nullopt))["clusters"] == document["clusters"]);
  CHECK(back.clusters[0].call_ns.samples == 7);
  CHECK(back.clusters[0].peaks[0].macs_per_s.one_core.citation == "data sheet: 4 lanes");
  REQUIRE(back.fit.has_value());
  CHECK(back.fit->of("Conv").ns_per_call == 50);
  CHECK(back.fit->of("Gemm").ns_per_call == 100);
  CHECK(back.source() == "model");
}

TEST_CASE("machine file: every broken one is refused, and says where") {
  const ordered_json good = to_json(small_machine(), new_document("machine", nullptr, std::nullopt));
  const auto refused = [&](const char* pointer, ordered_json value) {
    ordered_json bad = good;
    bad[ordered_json::json_pointer(pointer)] = std::move(value);
    CAPTURE(pointer);
    CHECK_THROWS_AS(machine_from_json(bad, "test"), Error);
  };
  refused("/schema", "tally.profile/1");
  refused("/name", 5);
  refused("/name", "");
  refused("/clusters", ordered_json::array());
  refused("/clusters", "none");
  refused("/clusters/0", 3);
  refused("/clusters/0/cores", -1);
  refused("/clusters/0/peaks", nullptr);
  refused("/clusters/0/peaks/0/dtype", nullptr);
  refused("/clusters/0/peaks/0/macs_per_s/one_core/value", -1);
  refused("/clusters/0/peaks/0/macs_per_s/one_core/value", "fast");
  refused("/clusters/0/peaks/0/macs_per_s/one_core/source", nullptr);
  refused("/clusters/0/levels/0/name", "L9");
  refused("/clusters/0/levels/0/bytes", 1e30);
  refused("/fit", ordered_json::array());
  refused("/citations", 7);
  CHECK_THROWS_AS(machine_from_json(ordered_json(), "test"), Error);
  CHECK_THROWS_AS(machine_from_json(ordered_json::array(), "test"), Error);
  const test::TemporaryFolder folder;
  const std::string file = (folder.path / "machine.json").string();
  std::ofstream(file) << "{\"schema\": ";
  CHECK_THROWS_AS(read_machine_file(file), Error);
  CHECK_THROWS_AS(read_machine_file((folder.path / "none.json").string()), Error);
  CHECK_THROWS_AS(read_machine_file(folder.path.string()), Error);
}

TEST_CASE("machine file: those that come with the program are whole: every figure cites its source") {
  CHECK(shipped_machines().size() >= 5);
  for (const std::string& name : shipped_machines()) {
    CAPTURE(name);
    const MachineFile file = read_machine_file(name);
    CHECK(file.source() == "model");
    const MachineCluster& cluster = file.clusters.front();
    const auto sourced = [&](const Figure& f) {
      CHECK(f.value > 0);
      CHECK(f.source == "model");
      CHECK(file.citations.contains(f.citation.substr(0, f.citation.find(':'))));
    };
    bool fp32 = false, int8 = false;
    for (const PeakRate& peak : cluster.peaks) {
      sourced(peak.macs_per_s.one_core);
      sourced(peak.macs_per_s.all_cores);
      CHECK(peak.macs_per_s.all_cores.value >= peak.macs_per_s.one_core.value);
      fp32 = fp32 || peak.dtype == "fp32";
      int8 = int8 || peak.dtype == "int8";
    }
    CHECK((fp32 && int8));
    REQUIRE(cluster.levels.size() >= 3);
    CHECK(cluster.levels.back().name == "dram");
    CHECK(cache_shapes(cluster).size() + 1 == cluster.levels.size());
    CHECK_NOTHROW(CacheModel{cache_shapes(cluster)});
    for (size_t i = 0; i < cluster.levels.size(); ++i) {
      sourced(cluster.levels[i].read.one_core);
      sourced(cluster.levels[i].write.one_core);
      sourced(cluster.levels[i].read.all_cores);
      if (i > 0) CHECK(cluster.levels[i].read.one_core.value <= cluster.levels[i - 1].read.one_core.value);
    }
    sourced(cluster.clock_hz);
    sourced(cluster.call_ns);
  }
}

TEST_CASE("machine file: rates by threads, and the fastest instruction set unless one is named") {
  const MachineCluster cluster = small_machine().clusters[0];
  CHECK(cluster.peaks[0].macs_per_s.at(1) == 1e10);
  CHECK(cluster.peaks[0].macs_per_s.at(2) == 2e10);
  CHECK(cluster.peaks[0].macs_per_s.at(4) == 3e10);
  CHECK(cluster.peaks[1].macs_per_s.at(4) == 4e10);  // what all get together is not known
  CHECK(Rate().at(1) == 0);
  CHECK(peaks_of(cluster, DType::i8, "", 1).macs_per_ns == doctest::Approx(30));
  CHECK(peaks_of(cluster, DType::i8, "neon64", 1).macs_per_ns == doctest::Approx(10));
  CHECK(peaks_of(cluster, DType::f16, "", 1).macs_per_ns == 0);
  CHECK(peaks_of(cluster, DType::f32, "", 1).levels.size() == 2);
}

TEST_CASE("calibration: what is walked through fits its level and not the one before") {
  CHECK(walked_bytes(32768, 0, 1) == 16384);
  const int64_t l2 = walked_bytes(1 << 20, 32768, 1);
  CHECK((l2 > 2 * 32768 && l2 < (1 << 20) / 2));
  CHECK(walked_bytes(1 << 20, 32768, 4) < l2);
  CHECK(walked_bytes(0, 1 << 20, 1) == 4 << 20);
  CHECK(walked_bytes(0, 1 << 20, 4) == 1 << 20);
  for (const int64_t bytes : {1000, 32768, 49152}) CHECK(walked_bytes(bytes, 0, 3) % 1024 == 0);
}

TEST_CASE("calibration: every figure is there, measured, and the levels are not faster outwards") {
  CalibrationOptions quick;
  quick.seconds = 0.05;
  quick.sample_ns = 2e4;
  quick.least = quick.most = 3;
  const MachineFile file = calibrate(quick, [](const std::string&) {});
  CHECK(file.source() == "measured");
  for (const MachineCluster& cluster : file.clusters) {
    for (const PeakRate& peak : cluster.peaks) {
      CAPTURE(peak.isa);
      CHECK(peak.macs_per_s.one_core.value > 0);
      CHECK(peak.macs_per_s.one_core.samples == 3);
      CHECK(peak.macs_per_s.one_core.p10 <= peak.macs_per_s.one_core.p90);
    }
    CHECK(cluster.levels.back().name == "dram");
    for (const MemoryLevel& level : cluster.levels) {
      CHECK(level.read.one_core.value > 0);
      CHECK(level.write.one_core.value > 0);
      CHECK(level.copy.one_core.value > 0);
    }
  }
  CHECK_NOTHROW(machine_from_json(to_json(file, new_document("machine", nullptr, std::nullopt)), "calibrated"));
}

}  // namespace
}  // namespace tally::tools
