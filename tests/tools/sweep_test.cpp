#include "tools/estimate/sweep.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tally/layers/builder.h"

using namespace tally;
using namespace tally::tools;

namespace {

Graph linear(std::vector<Dim> extents, int64_t rows) {
  Builder b;
  const auto x = b.named(b.input({rows, 4}), "x");
  b.output(b.matmul(x, b.constant(Tensor::without_data(DType::f32, {4, 3}))));
  Graph graph = b.graph();
  graph.inputs[0].shape = std::move(extents);
  return graph;
}

std::vector<int64_t> macs(const Graph& graph, const std::vector<std::string>& items) {
  std::vector<int64_t> list;
  for (const SweepPoint& point : run_sweep(graph, {.weights = false}, parse_sweep(items)))
    list.push_back(point.totals.macs);
  return list;
}

std::string refusal(const Graph& graph, const std::vector<std::string>& items, ErrorCode code = ErrorCode::usage) {
  try {
    run_sweep(graph, {.weights = false}, parse_sweep(items));
  } catch (const Error& e) {
    CHECK(e.code == code);
    return e.what();
  }
  FAIL("swept without an error");
  return "";
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("sweep: symbolic dimensions, batch, one extent of one input") {
  const Graph symbolic = linear({{-1, "N"}, {4, ""}}, 1), fixed = linear({{1, ""}, {4, ""}}, 1);
  CHECK(macs(symbolic, {"N=1,8,64"}) == std::vector<int64_t>{12, 96, 768});
  CHECK(macs(fixed, {"batch=2,3"}) == std::vector<int64_t>{24, 36});
  CHECK(macs(fixed, {"x.0=5"}) == std::vector<int64_t>{60});
  CHECK(macs(symbolic, {"batch=7"}) == std::vector<int64_t>{84});
}

TEST_CASE("sweep: every combination, the last axis fastest") {
  Builder b;
  const auto x = b.named(b.input({2, 4}), "x"), y = b.named(b.input({4, 2}), "y");
  b.output(b.matmul(x, y));
  Graph graph = b.graph();
  graph.inputs[0].shape = std::vector<Dim>{{-1, "M"}, {4, ""}};
  graph.inputs[1].shape = std::vector<Dim>{{4, ""}, {-1, "N"}};
  CHECK(macs(graph, {"M=1,2", "N=3,5"}) == std::vector<int64_t>{12, 20, 24, 40});
  CHECK(holds(refusal(graph, {"batch=2"}), "leading extents differ"));
}

TEST_CASE("sweep: refusals name what was found") {
  const Graph graph = linear({{-1, "N"}, {4, ""}}, 1);
  for (const char* bad : {"N", "=3", "N=", "N=0", "N=-1", "N=1,", "N=1,x", "N=99999999999999999999"})
    CHECK(holds(refusal(graph, {bad}), "must be NAME=N"));
  CHECK(holds(refusal(graph, {"T=3"}), "N, batch"));
  CHECK(holds(refusal(graph, {"x.2=3"}), "INPUT.AXIS"));
  CHECK(holds(refusal(graph, {"N=1", "N=2"}), "twice"));
  std::string many = "N=1";
  for (int i = 0; i < 300; ++i) many += ",2";
  CHECK(holds(refusal(graph, {many}), "256"));
  // A point that does not fit the graph is named.
  CHECK(holds(refusal(linear({{1, ""}, {4, ""}}, 1), {"x.1=4,5"}, ErrorCode::model), "at x.1=5: MatMul"));
}

TEST_CASE("sweep: bars, the longest for the most") {
  const std::vector<SweepAxis> axes = parse_sweep({"N=1,2,4"});
  const auto points = run_sweep(linear({{-1, "N"}, {4, ""}}, 1), {.weights = false}, axes);
  const std::vector<ReportPart> parts = sweep_parts(axes, points, "macs");
  REQUIRE(parts.size() == 2);
  const std::string bars = parts[1].table.as_text(100, {});
  std::string longest;
  for (int i = 0; i < 50; ++i) longest += "█";
  CHECK(holds(bars, longest));
  CHECK_FALSE(holds(bars, longest + "█"));
  CHECK(sweep_parts(axes, points, "").size() == 1);
  CHECK(sweep_json(axes, points)[2]["at"]["N"] == 4);
  CHECK(sweep_figures().size() == 6);
}
