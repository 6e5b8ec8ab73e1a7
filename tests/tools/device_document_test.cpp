// What becomes of a document that came from a device.
#include "tools/device/device_document.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"
#include "tests/tools/program.h"
#include "tools/compare/recording.h"

using namespace tally;
using namespace tally::tools;
using nlohmann::ordered_json;

namespace {

DeviceRecord record(std::vector<std::string> through) {
  DeviceRecord r;
  r.name = "pi4";
  r.transport = "ssh";
  r.address = "pi@pi4";
  r.program = {"/proc/self/exe", {"aarch64", ""}};
  r.through = std::move(through);
  r.before = inspection_of("machine aarch64\nzone 40000\n");
  r.after = inspection_of("machine aarch64\nzone 52000\n");
  return r;
}

std::string profile(const std::string& more = "") {
  return test::run_tally("profile " + test::kLenet + " --seed 1 --repeats 3 --seconds 0 --format json" + more).out;
}

/// True where any value below a key "measured" is no null.
bool timed(const ordered_json& json) {
  if (json.is_object())
    for (const auto& [key, value] : json.items())
      if (key != "missing" && ((key == "measured" && !value.is_null()) || timed(value))) return true;
  if (json.is_array())
    for (const ordered_json& value : json)
      if (timed(value)) return true;
  return false;
}

}  // namespace

TEST_CASE("a document gets the device, and the model's path here") {
  const ordered_json document = device_document(profile(), record({"taskset", "-c", "3"}), "here/lenet5.onnx");
  CHECK(document["schema"] == "tally.profile/1");
  CHECK(document["model"]["path"] == "here/lenet5.onnx");
  const ordered_json& device = document["device"];
  CHECK(device["name"] == "pi4");
  CHECK(device["architecture"] == "aarch64");
  CHECK(device["program"]["static"] == true);
  CHECK(device["program"]["sha256"].get<std::string>().size() == 64);
  CHECK(device["emulated"] == false);
  CHECK(device["before"]["celsius"] == 40);
  CHECK(device["after"]["celsius"] == 52);
  CHECK(device["missing"]["hardware"] == "the device does not tell");
  CHECK(timed(document));
}

TEST_CASE("an emulator's times are forgotten, counts stay, and other commands read it") {
  for (const char* more : {"", " --machine raspberry-pi-4"}) {
    const ordered_json before = ordered_json::parse(profile(more));
    const ordered_json document =
        device_document(before.dump(), record({"/usr/bin/qemu-aarch64-static", "-cpu", "max"}), "lenet5.onnx");
    CHECK(document["device"]["emulated"] == true);
    CHECK_FALSE(timed(document));
    CHECK(document["missing"]["measured"].get<std::string>().find("emulated") == 0);
    CHECK(document["repeatability"]["fit"] == false);
    CHECK(document["totals"]["executed"] == before["totals"]["executed"]);
    CHECK(document["layers"][0]["gap"] == before["layers"][0]["gap"]);
    const test::TemporaryFolder folder;
    const Recording recording = read_recording(folder.write("x.json", document.dump()));
    CHECK_FALSE(recording.totals.ns.median);
    CHECK(test::run_tally("report " + (folder.path / "x.json").string()).code == 0);
    CHECK(test::run_tally("compare " + (folder.path / "x.json").string() + " " + (folder.path / "x.json").string())
              .code == 0);
  }
}

TEST_CASE("what is no answer of tally is an error of the device") {
  for (const std::string text :
       {"", "x", "[]", "{\"schema\": \"tally.machine/1\"}", "{\"schema\": \"tally.profile/1\", \"layers\": 3}"}) {
    CAPTURE(text);
    try {
      device_document(text, record({}), "x");
      CHECK(false);
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::machine);
      CHECK(std::string(e.what()).find("answer of device 'pi4'") != std::string::npos);
    }
  }
}

TEST_CASE("emulators are known by their names") {
  CHECK(emulates({"qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"}));
  CHECK_FALSE(emulates({}));
  CHECK_FALSE(emulates({"taskset", "-c", "4"}));
}
