// compare, check and report as a user runs them; the page itself is read by page_test.py.
#include <doctest/doctest.h>

#include "tests/tools/program.h"

using namespace tally;
using namespace tally::test;
using nlohmann::json;

namespace {

std::string written(const TemporaryFolder& folder, const std::string& name, const std::string& command) {
  const std::string file = (folder.path / name).string();
  REQUIRE(run_tally(command + " --format json --output " + file).code == 0);
  return file;
}

void check_refusal(const Ran& ran, int code, const std::string& words) {
  CAPTURE(ran.err);
  CHECK(ran.code == code);
  CHECK(ran.err.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("compare: a profile with itself, in every format") {
  const TemporaryFolder folder;
  const std::string a = written(folder, "a.json", "profile " + kLenet + " --seed 1 --repeats 7 --no-overhead");
  const json same = document_of("compare " + a + " " + a);
  CHECK(same["schema"] == "tally.compare/1");
  CHECK(same["layers"].size() == 7);
  for (const json& layer : same["layers"]) {
    CHECK(layer["match"] == "name");
    CHECK(layer["figures"]["ns"]["ratio"] == 1.0);
    CHECK(layer["figures"]["ns"]["significant"] == false);
    CHECK(layer["figures"]["lane_macs"]["difference"] == 0);
  }
  CHECK(same["failures"].empty());
  CHECK(run_tally("compare " + a + " " + a + " --fail-above 0 --each-layer").code == 0);
  for (const char* format : {"table", "csv", "md"}) {
    const Ran ran = run_tally("compare " + a + " " + a + " --format " + format);
    CHECK(ran.code == 0);
    CHECK(ran.out.find("/conv1/Conv") != std::string::npos);
  }
}

TEST_CASE("compare: a slower run fails, by name") {
  const TemporaryFolder folder;
  const std::string a = written(folder, "a.json", "profile " + kLenet + " --seed 1 --repeats 7 --no-overhead");
  json slow = json::parse(contents(a));
  for (const char* key : {"median", "p10", "p90", "min", "p99", "mean"}) {
    json& total = slow["totals"]["measured"]["ns"];
    if (total.contains(key)) total[key] = total[key].get<double>() * 1000;
    json& conv = slow["layers"][0]["measured"]["ns"];
    if (conv.contains(key)) conv[key] = conv[key].get<double>() * 1000;
  }
  slow["totals"]["measured"]["ns"].erase("median_ci95");
  slow["layers"][0]["measured"]["ns"].erase("median_ci95");
  const std::string b = folder.write("b.json", slow.dump()).string();
  const Ran ran = run_tally("compare " + a + " " + b + " --fail-above 50 --each-layer");
  check_refusal(ran, 1, "total: ns is +");
  check_refusal(ran, 1, "/conv1/Conv: ns is +");
  CHECK(ran.err.find("/fc1") == std::string::npos);
  CHECK(run_tally("compare " + b + " " + a + " --fail-above 50").code == 0);
}

TEST_CASE("compare: what cannot be compared") {
  const TemporaryFolder folder;
  const std::string estimate = written(folder, "e.json", "estimate " + kLenet);
  const std::string bench = written(folder, "b.json", "bench " + kLenet + " --seed 1 --repeats 20");
  CHECK(document_of("compare " + estimate + " " + estimate)["totals"]["macs"]["a"] == 416520);
  CHECK(document_of("compare " + bench + " " + bench)["totals"]["ns"]["ratio"] == 1.0);
  check_refusal(run_tally("compare " + estimate + " " + bench), 3, "must be of kind estimate");
  check_refusal(run_tally("compare " + estimate + " /no/such.json"), 3, "does not exist");
  check_refusal(run_tally("compare " + estimate + " " + folder.write("x.json", "{").string()), 3, "is no JSON");
  check_refusal(run_tally("compare " + estimate), 2, "B");
  check_refusal(run_tally("compare " + estimate + " " + estimate + " --each-layer"), 2, "--fail-above");
  check_refusal(run_tally("compare " + estimate + " " + estimate + " --fail-above -1"), 2, "--fail-above");
}

TEST_CASE("check: exit codes and the document") {
  const TemporaryFolder folder;
  const auto budget = [&](const std::string& text) { return folder.write("budget.json", text).string(); };
  const auto check = [&](const std::string& text, const std::string& more = "") {
    return run_tally("check " + kLenet + " --budget " + budget(text) + " " + more);
  };
  CHECK(check(R"({"params": 61706, "macs": "416.52k", "coverage": "exact", "model_bytes": "1M"})").code == 0);
  check_refusal(check(R"({"params": 61705, "macs": 1000000})"), 1, "");
  const Ran over = check(R"({"params": 61705, "macs": 1})", "--format csv");
  check_refusal(over, 1, "total: params is 61706, must be at most 61705");
  check_refusal(over, 1, "total: macs is 416520, must be at most 1");
  check_refusal(check(R"({"layers": [{"name": "/fc1/*", "params": 48119}]})", "--format csv"), 1,
                "/fc1/Gemm: params is 48120");
  check_refusal(check(R"({"parameters": 1})"), 2, "parameters: an unknown key");
  check_refusal(check(R"({"latency_ns": 1})"), 2, "--profile");
  check_refusal(check("{"), 3, "is no JSON");
  check_refusal(run_tally("check " + kLenet), 2, "--budget");
  check_refusal(run_tally("check " + kLenet + " --budget /no/such.json"), 3, "does not exist");
  const json document = json::parse(check(R"({"params": 1})", "--format json").out);
  CHECK(document["schema"] == "tally.check/1");
  CHECK(document["passed"] == false);
  CHECK(document["limits"][0]["found"] == 61706);
  CHECK(document["limits"][0]["verdict"] == "exceeded");
}

TEST_CASE("check: latency and memory of a profile of the same model") {
  const TemporaryFolder folder;
  const std::string profile = written(folder, "p.json", "profile " + kLenet + " --seed 1 --repeats 7 --no-overhead");
  const std::string bench = written(folder, "b.json", "bench " + kLenet + " --seed 1 --repeats 20");
  const std::string loose = folder.write("loose.json", R"({"latency_ns": "100G", "arena_bytes": "1G"})").string();
  const std::string tight =
      folder.write("tight.json", R"({"latency_ns": 1, "layers": [{"name": "/conv1/*", "latency_ns": 1}]})").string();
  CHECK(run_tally("check " + kLenet + " --budget " + loose + " --profile " + profile).code == 0);
  CHECK(run_tally("check " + kLenet + " --budget " + loose + " --profile " + bench).code == 0);
  const std::string junit = (folder.path / "junit.xml").string();
  const Ran ran = run_tally("check " + kLenet + " --budget " + tight + " --profile " + profile + " --junit " + junit);
  CHECK(ran.code == 1);
  CHECK(contents(junit).find("<testsuites tests=\"2\" failures=\"2\" errors=\"0\">") != std::string::npos);
  const SmallModel small;
  check_refusal(run_tally("check " + small.file + " --dim N=1 --budget " + loose + " --profile " + profile), 3,
                "is of another model");
}

TEST_CASE("report: one page, to a file or to stdout") {
  const TemporaryFolder folder;
  const std::string estimate = written(folder, "e.json", "estimate " + kLenet);
  const Ran ran = run_tally("report " + estimate);
  CHECK(ran.code == 0);
  CHECK(ran.out.rfind("<!DOCTYPE html>\n<html ", 0) == 0);
  const std::string page = (folder.path / "out.html").string();
  CHECK(run_tally("report " + estimate + " -o " + page).code == 0);
  CHECK(contents(page) == ran.out);
  check_refusal(run_tally("report"), 2, "FILE");
  check_refusal(run_tally("report " + kLenet), 3, "is no JSON");
  check_refusal(run_tally("report " + folder.write("x.json", R"({"schema": "tally.info/1"})").string()), 3,
                "must be one of");
  check_refusal(run_tally("report " + estimate + " -o /no/such/folder/x.html"), 2, "cannot be written");
}
