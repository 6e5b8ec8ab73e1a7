#include "tools/compare/budget.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/compare/document_value.h"
#include "tools/output/junit.h"

using namespace tally;
using namespace tally::tools;
using Verdict = BudgetFinding::Verdict;

namespace {

Budget budget(const std::string& json) {
  const nlohmann::json value = nlohmann::json::parse(json);
  return budget_of(DocumentValue(value, "budget: "));
}

/// Every error of a budget's content is one of usage, exit code 2.
std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::usage);
    return error.what();
  }
  return "none";
}

bool refused(const std::string& json, const std::string& words) {
  const std::string error = error_of([&] { budget(json); });
  CAPTURE(error);
  return error.find(words) != std::string::npos;
}

Recording estimate() {
  Recording r;
  r.kind = RecordingKind::estimate;
  r.model_bytes = 5000;
  r.totals.counts = {{"params", 1000}, {"macs", 20000}, {"peak_activation_bytes", 64}};
  for (const auto& [name, op, macs] :
       {std::tuple{"/a/Conv", "Conv", 15000}, {"/b/Conv", "Conv", 5000}, {"/c/Relu", "Relu", 0}}) {
    RecordedLayer l;
    l.name = name;
    l.nodes = {name};
    l.op = op;
    l.coverage = l.op == "Relu" ? "approximate" : "exact";
    l.reason = l.op == "Relu" ? "why" : "";
    l.counts["macs"] = macs;
    r.layers.push_back(l);
  }
  return r;
}

Recording run() {
  Recording r;
  r.file = "run.json";
  r.totals.ns.median = 900;
  r.totals.ns.p90 = 1100;
  r.figures["arena_bytes"] = 4096;
  RecordedLayer l;
  l.name = "/a/Conv";
  l.nodes = {"/a/Conv", "/c/Relu"};
  l.ns.median = 700;
  r.layers = {l};
  return r;
}

/// "total params within; total macs exceeded"
std::string told(const std::string& json, const Recording* measured = nullptr) {
  std::string words;
  for (const BudgetFinding& f : check_budget(budget(json), estimate(), measured))
    words += (words.empty() ? "" : "; ") + f.who + " " + f.key + " " +
             (f.verdict == Verdict::within     ? "within"
              : f.verdict == Verdict::exceeded ? "exceeded"
                                               : "unknown");
  return words;
}

}  // namespace

TEST_CASE("limits hold up to and including themselves") {
  CHECK(told(R"({"params": 1000, "macs": 19999})") == "total macs exceeded; total params within");
  CHECK(told(R"({"macs": "20k", "peak_activation_bytes": "0.0625K", "model_bytes": "4K"})") ==
        "total macs within; total model_bytes exceeded; total peak_activation_bytes within");
}

TEST_CASE("a figure that could not be had is no pass") {
  CHECK(told(R"({"flops": 10})") == "total flops unknown");
  const Recording r = run();
  CHECK(told(R"({"latency_p99_ns": 5000, "energy_nj": 1})", &r) ==
        "total energy_nj unknown; total latency_p99_ns unknown");
}

TEST_CASE("coverage") {
  CHECK(told(R"({"coverage": "exact"})") == "total coverage exceeded");
  CHECK(told(R"({"coverage": "approximate"})") == "total coverage within");
}

TEST_CASE("layers by name and operator") {
  CHECK(told(R"({"layers": [{"op": "Conv", "macs": 10000}]})") == "/a/Conv macs exceeded; /b/Conv macs within");
  CHECK(told(R"({"layers": [{"name": "/b/*", "macs": 4999}, {"name": "/?/Relu", "macs": 0}]})") ==
        "/b/Conv macs exceeded; /c/Relu macs within");
  const Recording r = run();
  CHECK(told(R"({"layers": [{"name": "/c/Relu", "latency_ns": 700}]})", &r) == "/a/Conv latency_ns within");
  CHECK(error_of([] { told(R"({"layers": [{"name": "/nobody", "macs": 1}]})"); }).find("'/nobody': matches no layer") !=
        std::string::npos);
}

TEST_CASE("limits of a run want one") {
  const Recording r = run();
  CHECK(told(R"({"latency_ns": 900, "latency_p90_ns": 1000, "arena_bytes": "4K"})", &r) ==
        "total arena_bytes within; total latency_ns within; total latency_p90_ns exceeded");
  CHECK(error_of([] { told(R"({"latency_ns": 900})"); }).find("must come with --profile") != std::string::npos);
}

TEST_CASE("budgets that are none are refused") {
  CHECK(refused("[]", "must be an object"));
  CHECK(refused("{}", "no limit"));
  CHECK(refused(R"({"mac": 1})", "budget: mac: an unknown key"));
  CHECK(refused(R"({"macs": -1})", "must be 0 to"));
  CHECK(refused(R"({"macs": 18446744073709551615})", "must be 0 to"));
  CHECK(refused(R"({"macs": 1.5})", "must be an integer"));
  CHECK(refused(R"({"macs": null})", "must be an integer"));
  CHECK(refused(R"({"macs": "lots"})", "must be a number"));
  CHECK(refused(R"({"coverage": "some"})", "must be exact or approximate"));
  CHECK(refused(R"({"layers": {"macs": 1}})", "must be an array"));
  CHECK(refused(R"({"layers": [1]})", "must hold the limits of a layer"));
  CHECK(refused(R"({"layers": [{"name": "x"}]})", "no limit"));
  CHECK(refused(R"({"layers": [{"name": "x", "peak_activation_bytes": 1}]})",
                "layers[0].peak_activation_bytes: an unknown key"));
  CHECK(refused(R"({"schema": "tally.budget/2", "macs": 1})", "must be tally.budget/1"));
  CHECK(budget(R"({"schema": "tally.budget/1", "comment": "why", "macs": 1})").totals.size() == 1);
}

TEST_CASE("JUnit counts what did not pass, and escapes names") {
  using Outcome = JunitCase::Outcome;
  const std::string xml = junit_xml("a & b", {{"total", "params", Outcome::passed, ""},
                                              {"<conv>", "macs", Outcome::failed, "\"x\" ]]> \x01"},
                                              {"total", "ns", Outcome::error, "n/a"}});
  CHECK(xml.rfind("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"3\" failures=\"1\" errors=\"1\">",
                  0) == 0);
  CHECK(xml.find("classname=\"a &amp; b.&lt;conv&gt;\"") != std::string::npos);
  CHECK(xml.find("&quot;x&quot; ]]&gt; \xef\xbf\xbd") != std::string::npos);
}
