#include "tools/measure/trace.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/tools/program.h"

using namespace tally;
using namespace tally::test;
using nlohmann::json;

namespace {

json trace_of(const std::string& arguments) {
  const TemporaryFolder folder;
  const std::string file = (folder.path / "trace.json").string();
  const Ran ran = run_tally(arguments + " --trace " + file);
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  return json::parse(contents(file));
}

int64_t ns(const json& us) { return std::llround(us.get<double>() * 1e3); }

/// Slices nest: rows of a run follow each other inside it, and runs follow each other. Returns {slices, runs}.
std::pair<int, int> check_slices(const json& trace) {
  int rows = 0, runs = 0;
  int64_t run_end = 0, row_end = 0;
  for (const json& event : trace["traceEvents"]) {
    CHECK(event["pid"] == 1);
    CHECK(event["tid"] == 1);
    if (event["ph"] != "X") continue;
    const int64_t begin = ns(event["ts"]), end = begin + ns(event["dur"]);
    CHECK(ns(event["dur"]) >= 0);
    if (event["cat"] == "run") {
      CHECK(begin >= run_end);
      run_end = end;
      row_end = begin;
      ++runs;
      continue;
    }
    CHECK(begin >= row_end);
    CHECK(end <= run_end);
    row_end = end;
    ++rows;
    for (const char* key : {"ideal_macs", "ideal_bytes", "executed_macs", "lane_macs", "bytes_loaded", "bytes_stored"})
      CHECK(event["args"][key].is_number_integer());
  }
  return {rows, runs};
}

}  // namespace

TEST_CASE("profile --trace: ten runs, a slice a layer with its counts") {
  const json trace = trace_of("profile " + kLenet + " --seed 1 --repeats 5 --no-overhead");
  CHECK(trace["displayTimeUnit"] == "ns");
  CHECK(trace["otherData"]["schema"] == "tally.trace/1");
  const auto [rows, runs] = check_slices(trace);
  CHECK(runs == 10);
  CHECK(rows == 10 * 7);
  int64_t macs = 0, counters = 0;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "X" && event["cat"] != "run") macs += event["args"]["ideal_macs"].get<int64_t>();
    if (event["ph"] == "C") ++counters;
  }
  CHECK(macs == 10 * 416520);
  CHECK(counters == 10 * 2 * (7 + 1));
}

TEST_CASE("time steps are slices of their own") {
  const std::string lstm = TALLY_SOURCE_DIR "/tools/models/lstm_fashion.onnx";
  const json steps = trace_of("profile " + lstm + " --seed 1 --repeats 3 --per-step");
  CHECK(check_slices(steps).second == 28);
  CHECK(check_slices(trace_of("run " + lstm + " --seed 1 --stream")).second == 28);
}

TEST_CASE("run --trace: one run") { CHECK(check_slices(trace_of("run " + kLenet + " --seed 1")).second == 1); }
