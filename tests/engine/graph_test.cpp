#include "tally/engine/graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "tally/engine/error.h"

using tally::Graph;
using tally::Node;

namespace {

Node node(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs) {
  Node n;
  n.name = outputs[0];
  n.op = std::move(op);
  n.inputs = std::move(inputs);
  n.outputs = std::move(outputs);
  return n;
}

Graph graph_of(std::vector<std::string> inputs, std::vector<std::string> outputs, std::vector<Node> nodes) {
  Graph g;
  for (std::string& name : inputs) g.inputs.push_back({std::move(name), tally::DType::f32, {}});
  for (std::string& name : outputs) g.outputs.push_back({std::move(name), tally::DType::f32, {}});
  g.nodes = std::move(nodes);
  return g;
}

std::vector<std::string> names(const Graph& g) {
  std::vector<std::string> list;
  for (const Node& n : g.nodes) list.push_back(n.name);
  return list;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("attributes: the value, the fallback, and the type that was found and needed") {
  Node n = node("Conv", {"x"}, {"c3"});
  n.attributes["group"] = int64_t{2};
  n.attributes["alpha"] = 0.5f;
  n.attributes["auto_pad"] = std::string("VALID");
  n.attributes["pads"] = std::vector<int64_t>{1, 2};
  n.attributes["scales"] = std::vector<float>{0.5f};
  n.attributes["value"] = tally::Tensor::scalar(1);
  n.attributes["body"] = std::shared_ptr<const Graph>(std::make_shared<Graph>());
  CHECK(n.get_int("group", 1) == 2);
  CHECK(n.get_int("none", 7) == 7);
  CHECK(n.get_float("alpha", 1) == 0.5f);
  CHECK(n.get_string("auto_pad", "NOTSET") == "VALID");
  CHECK(n.get_string("none", "NOTSET") == "NOTSET");
  CHECK(n.get_ints("pads") == std::vector<int64_t>{1, 2});
  CHECK(n.get_ints("none", {9}) == std::vector<int64_t>{9});
  CHECK(n.get_floats("scales") == std::vector<float>{0.5f});
  CHECK(n.get_tensor("value")->elements() == 1);
  CHECK(n.get_tensor("none") == nullptr);
  CHECK(n.get_graph("body") != nullptr);
  CHECK(n.has("group"));
  CHECK_FALSE(n.has("none"));
  CHECK_THROWS_WITH_AS(n.get_int("auto_pad", 1), "Conv 'c3': attribute auto_pad is a string; must be an integer",
                       tally::Error);
  CHECK_THROWS_WITH_AS(n.get_float("group", 1), "Conv 'c3': attribute group is an integer; must be a float",
                       tally::Error);
  CHECK_THROWS_WITH_AS(n.get_ints("group"), "Conv 'c3': attribute group is an integer; must be a list of integers",
                       tally::Error);
  CHECK_THROWS_AS(n.get_floats("pads"), tally::Error);
  CHECK_THROWS_AS(n.get_tensor("pads"), tally::Error);
  CHECK_THROWS_AS(n.get_string("body", ""), tally::Error);
}

TEST_CASE("sort_and_check: a sorted graph keeps its order, another one is sorted") {
  Graph sorted =
      graph_of({"x"}, {"c"}, {node("A", {"x"}, {"b"}), node("B", {"x"}, {"a"}), node("C", {"a", "b"}, {"c"})});
  sorted.sort_and_check();
  CHECK(names(sorted) == Names{"b", "a", "c"});
  Graph reversed =
      graph_of({"x"}, {"c"}, {node("C", {"a", "b"}, {"c"}), node("B", {"b"}, {"a"}), node("A", {"x"}, {"b"})});
  reversed.sort_and_check();
  CHECK(names(reversed) == Names{"b", "a", "c"});
}

TEST_CASE("sort_and_check: absent inputs, initialisers, inputs that are outputs") {
  Graph g = graph_of({"x"}, {"y", "x", "w", "y"}, {node("A", {"x", "", "w"}, {"y", ""})});
  g.initializers["w"] = tally::Tensor::scalar(1);
  CHECK_NOTHROW(g.sort_and_check());
}

TEST_CASE("sort_and_check: cycles, duplicates and dangling names are named") {
  const auto refused = [](Graph g) {
    try {
      g.sort_and_check();
    } catch (const tally::Error& error) {
      CHECK(error.code == tally::ErrorCode::model);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(refused(graph_of({"x"}, {"b"}, {node("A", {"x", "b"}, {"a"}), node("B", {"a"}, {"b"})})) ==
        "B 'b': input 'a' depends on this node's own output; must not: nodes may form no cycle");
  // A node that only hangs below a cycle is not the one to blame.
  const std::string below = refused(graph_of({}, {"c"}, {node("A", {"a"}, {"a"}), node("C", {"a"}, {"c"})}));
  CHECK(below == "A 'a': input 'a' depends on this node's own output; must not: nodes may form no cycle");
  CHECK(refused(graph_of({"x"}, {"y"}, {node("A", {"w"}, {"y"})})) ==
        "A 'y': input 'w' has no producer; must come from a node, an initializer or a graph input");
  CHECK(refused(graph_of({"x"}, {"y"}, {node("A", {"x"}, {"y"}), node("B", {"x"}, {"y"})})) ==
        "B 'y': 'y' is produced again; must have one producer");
  CHECK(refused(graph_of({"x", "x"}, {"x"}, {})) == "graph input: 'x' is produced again; must have one producer");
  CHECK(refused(graph_of({"x"}, {"z"}, {})) ==
        "graph output: 'z' has no producer; must come from a node, an initializer or a graph input");
}

TEST_CASE("bodies read names of the graph around them") {
  Graph body = graph_of({"i"}, {"o", "outer2"}, {node("Add", {"i", "outer"}, {"t"}), node("Relu", {"t"}, {"o"})});
  CHECK_THROWS_AS(body.sort_and_check(), tally::Error);
  CHECK_NOTHROW(body.sort_and_check_body());
  CHECK(tally::captured_names(body) == Names{"outer", "outer2"});

  Node loop = node("Loop", {"x"}, {"y"});
  loop.attributes["body"] = std::shared_ptr<const Graph>(std::make_shared<Graph>(body));
  Graph outside = graph_of({"x"}, {"y"}, {loop, node("A", {"x"}, {"outer"}), node("B", {"x"}, {"outer2"})});
  outside.sort_and_check();
  CHECK(names(outside) == Names{"outer", "outer2", "y"});

  Graph dangling = graph_of({"x"}, {"y"}, {loop, node("A", {"x"}, {"outer"})});
  CHECK_THROWS_WITH_AS(
      dangling.sort_and_check(),
      "Loop 'y': input 'outer2' has no producer; must come from a node, an initializer or a graph input", tally::Error);
}

TEST_CASE("sort_and_check: a shuffled chain of 100,000 nodes takes no recursion and little time") {
  std::vector<Node> nodes;
  for (int i = 0; i < 100000; ++i)
    nodes.push_back(node("Relu", {"x" + std::to_string(i)}, {"x" + std::to_string(i + 1)}));
  std::shuffle(nodes.begin(), nodes.end(), std::mt19937(1));
  Graph g = graph_of({"x0"}, {"x100000"}, std::move(nodes));
  const auto start = std::chrono::steady_clock::now();
  g.sort_and_check();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  CHECK(g.nodes.front().inputs[0] == "x0");
  CHECK(g.nodes.back().outputs[0] == "x100000");
}
