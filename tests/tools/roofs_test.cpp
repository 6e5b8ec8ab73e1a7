// Machine files through the program: roofs of profile and bench, predictions of estimate, calibrate and fit.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/tools/program.h"
#include "tools/output/numbers.h"

namespace tally::test {
namespace {

using nlohmann::json;

const std::set<std::string> kBounds = {"compute", "L1", "L2", "L3", "dram"};

void write(const std::filesystem::path& file, const json& document) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << document.dump();
}

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) CHECK(tools::display_width(line) <= 100);
}

TEST_CASE("profile --machine: bytes at three levels, their intensities, and the roof that binds") {
  const json document = document_of("profile " + kLenet + " --seed 1 --repeats 5 --machine raspberry-pi-5");
  CHECK(document["roofs"]["machine"]["name"] == "Raspberry Pi 5");
  CHECK(document["roofs"]["machine"]["source"] == "model");
  CHECK(document["roofs"]["levels"].size() == 4);
  CHECK_FALSE(document["missing"].contains("roof"));
  double sum = 0;
  for (const json& layer : document["layers"]) {
    CAPTURE(layer["name"]);
    const json &bytes = layer["bytes"], &executed = layer["executed"], &roof = layer["roof"];
    CHECK(bytes["issued"] == executed["bytes_loaded"].get<int64_t>() + executed["bytes_stored"].get<int64_t>());
    CHECK(bytes["beyond_source"] == "model");
    CHECK(bytes["in_order"] == true);
    for (const char* cache : {"L1", "L2", "L3"}) CHECK(bytes["beyond"][cache].is_number_integer());
    CHECK(bytes["beyond"]["L1"] >= bytes["beyond"]["L2"]);
    CHECK(kBounds.contains(roof["bound"]));
    double longest = 0;
    for (const auto& [unit, ns] : roof["units"].items()) longest = std::max(longest, ns.get<double>());
    CHECK(roof["ns"] == doctest::Approx(longest));
    CHECK(roof["share"] == doctest::Approx(roof["ns"].get<double>() / layer["measured"]["ns"]["median"].get<double>()));
    sum += roof["ns"].get<double>();
  }
  CHECK(document["totals"]["roof"]["ns"] == doctest::Approx(sum));
  const Ran table = run_tally("profile " + kLenet + " --seed 1 --repeats 5 --machine raspberry-pi-5");
  CHECK(table.code == 0);
  CHECK(table.out.find("Bytes at three levels, and roofs") != std::string::npos);
  check_width(table.out);
}

TEST_CASE("without a machine file, bytes at three levels and no word of roofs above them") {
  const Ran table = run_tally("profile " + kLenet + " --seed 1 --repeats 5");
  CHECK(table.code == 0);
  CHECK(table.out.find("\nBytes at three levels\n") != std::string::npos);
  CHECK(table.out.find("roof: n/a, not calibrated") != std::string::npos);
}

TEST_CASE("bench --machine: the roofs of layers, and the share that the whole reaches") {
  const json document = document_of("bench " + kLenet + " --seed 1 --repeats 5 --seconds 0.1 --machine raspberry-pi-4");
  CHECK(document["layers"].size() > 4);
  for (const json& layer : document["layers"]) {
    CHECK(layer["roof"]["ns"] > 0);
    CHECK(layer["roof"]["share"].is_null());  // layers are not timed
  }
  CHECK(document["totals"]["roof"]["share"] > 0);
  const json plain = document_of("bench " + kLenet + " --seed 1 --repeats 5 --seconds 0.1");
  CHECK(plain["totals"]["roof"].is_null());
  CHECK(plain["missing"]["roof"].get<std::string>().find("not calibrated") != std::string::npos);
}

TEST_CASE("estimate --machine: latency of a machine that is not here") {
  for (const char* name :
       {"raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2w", "android-cortex-x4"}) {
    CAPTURE(name);
    const json document = document_of("estimate " + kLenet + " --machine " + name);
    const json& prediction = document["prediction"];
    CHECK(prediction["source"] == "model");
    CHECK(prediction["theoretical_latency_ns"] ==
          doctest::Approx(416520 / prediction["macs_per_s"].get<double>() * 1e9));
    CHECK(prediction["latency_ns"] >= prediction["theoretical_latency_ns"]);
    CHECK(prediction["throughput_per_s"] == doctest::Approx(1e9 / prediction["latency_ns"].get<double>()));
    double sum = 0;
    int64_t macs = 0;
    for (const json& layer : prediction["layers"]) {
      sum += layer["ns"].get<double>();
      macs += layer["macs"].get<int64_t>();
      CHECK(kBounds.contains(layer["bound"]));
      CHECK(layer["nodes"].size() >= 1);
    }
    CHECK(prediction["latency_ns"] == doctest::Approx(sum));
    CHECK(macs == 416520);
    CHECK(prediction["layers"].size() == 7);  // activations absorbed, views gone
  }
  const Ran table = run_tally("estimate " + kLenet + " --machine raspberry-pi-zero-2w");
  CHECK(table.out.find("Latency on Raspberry Pi Zero 2 W") != std::string::npos);
  check_width(table.out);
  const json one = document_of("estimate " + kLenet + " --machine raspberry-pi-5");
  const json four = document_of("estimate " + kLenet + " --machine raspberry-pi-5 --threads 4");
  CHECK(four["prediction"]["theoretical_latency_ns"].get<double>() * 4 ==
        doctest::Approx(one["prediction"]["theoretical_latency_ns"].get<double>()));
}

TEST_CASE("machine files that are none: exit 3, and what would be one") {
  const TemporaryFolder folder;
  const std::string broken = (folder.path / "broken.json").string();
  std::ofstream(broken) << "{}";
  for (const std::string& machine : {std::string("no-such-machine"), broken}) {
    for (const char* command : {"estimate ", "profile --seed 1 ", "bench --seed 1 "}) {
      const Ran ran = run_tally(command + kLenet + " --machine " + machine);
      CHECK(ran.code == 3);
      CHECK(ran.out.empty());
      CHECK_FALSE(ran.err.empty());
    }
  }
  CHECK(run_tally("estimate " + kLenet + " --machine no-such-machine").err.find("raspberry-pi-4") != std::string::npos);
}

TEST_CASE("calibrate: a machine file that profile and bench then use, unless it is of another CPU") {
  const TemporaryFolder folder;
  const std::string config = "XDG_CONFIG_HOME=" + folder.path.string();
  const Ran ran = run_tally("calibrate --quick --seconds 0.5", config);
  CHECK(ran.code == 0);
  check_width(ran.out);
  const auto file = folder.path / "tally" / "machine.json";
  json machine = json::parse(contents(file), nullptr, false);
  REQUIRE(machine.is_object());
  CHECK(machine["schema"] == "tally.machine/1");
  CHECK(machine["source"] == "measured");
  CHECK(machine["clusters"][0]["peaks"][0]["macs_per_s"]["one_core"]["samples"] >= 3);
  const std::string profile = "profile " + kLenet + " --seed 1 --repeats 5 --format json";
  const json document = json::parse(run_tally(profile, config).out, nullptr, false);
  for (const json& layer : document["layers"]) CHECK(kBounds.contains(layer["roof"]["bound"]));
  machine["cpu"] = "another";
  write(file, machine);
  const json other = json::parse(run_tally(profile, config).out, nullptr, false);
  CHECK(other["missing"]["roof"].get<std::string>().find("another") != std::string::npos);
  CHECK(other["layers"][0]["roof"].is_null());
  std::ofstream(file) << "rubbish";
  CHECK(run_tally(profile, config).code == 0);  // a file that nobody asked for is no error
  CHECK(run_tally("calibrate --seconds 0").code == 2);
}

TEST_CASE("fit: from profiles to a machine file that predicts by them") {
  const TemporaryFolder folder;
  std::string files;
  for (const char* name : {"lenet5", "lstm", "transformer"}) {
    const std::string file = (folder.path / (std::string(name) + ".json")).string();
    REQUIRE(run_tally(std::string("profile ") + TALLY_SOURCE_DIR "/tools/models/" + name +
                      "_fashion.onnx --seed 1 --repeats 5 --format json --output " + file)
                .code == 0);
    files += " " + file;
  }
  const std::string fitted = (folder.path / "fitted.json").string();
  const Ran ran = run_tally("fit raspberry-pi-4" + files + " -o " + fitted);
  CHECK(ran.code == 0);
  CHECK(ran.out.find("Held-out error") != std::string::npos);
  check_width(ran.out);
  const json machine = json::parse(contents(fitted), nullptr, false);
  CHECK(machine["fit"]["held_out"]["method"] == "leave one model out");
  CHECK(machine["fit"]["held_out"]["totals"].size() == 3);
  const json document = document_of("estimate " + kLenet + " --machine " + fitted);
  CHECK(document["prediction"]["source"] == "fit");
  CHECK(document["prediction"]["latency_ns"] > 0);
  CHECK(run_tally("fit raspberry-pi-4 " + kLenet).code == 3);
  CHECK(run_tally("fit raspberry-pi-4").code == 2);
}

}  // namespace
}  // namespace tally::test
