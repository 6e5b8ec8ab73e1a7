#include "tally/engine/peak_bytes.h"

#include <doctest/doctest.h>

using namespace tally;

namespace {

/// As many elements as its input; a second output has four times as many. May overwrite its input.
class Stretch final : public Layer {
 public:
  using Layer::Layer;
  std::vector<TensorType> infer(Operands in) const override {
    return {{in[0].dtype, in[0].shape}, {in[0].dtype, {4 * in[0].shape[0]}}};
  }
  Cost cost(Operands, std::span<const TensorType>) const override { return {}; }
  bool in_place(int) const override { return true; }
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    return {};
  }
  void prepare(const Candidate&, Preparation&) const override {}
};

LiveBytes live_in(std::vector<std::vector<std::string>> nodes, const std::vector<std::string>& outputs) {
  Graph g;
  g.inputs = {{"x", DType::f32, std::vector<Dim>{{4, ""}}}};
  for (const std::vector<std::string>& names : nodes) {
    Node node;
    node.op = "Stretch";
    node.name = names[1];
    node.inputs = {names[0]};
    node.outputs.assign(names.begin() + 1, names.end());
    g.nodes.push_back(std::move(node));
  }
  for (const std::string& name : outputs) g.outputs.push_back({name, DType::f32, std::nullopt});
  const Registry layers{
      .make = [](const Node& node) -> std::unique_ptr<Layer> { return std::make_unique<Stretch>(node); },
      .rules = {},
      .knows = [](const Node&) { return true; }};
  return live_activation_bytes(type_graph(g, layers, {}));
}

int64_t peak_of(std::vector<std::vector<std::string>> nodes, const std::vector<std::string>& outputs) {
  return live_in(std::move(nodes), outputs).peak;
}

}  // namespace

TEST_CASE("peak bytes: a graph input is never overwritten, what dies is") {
  CHECK(peak_of({{"x", "a"}}, {"a"}) == 32);
  CHECK(peak_of({{"x", "a"}, {"a", "b"}}, {"b"}) == 32);
  CHECK(peak_of({{"x", "a"}, {"a", "b"}}, {"a", "b"}) == 32);
}

TEST_CASE("peak bytes: an output in its input's place leaves the other one to be counted") {
  // b takes a's 16 bytes; c's 64 live beside it.
  CHECK(peak_of({{"x", "a"}, {"a", "b", "c"}}, {"b", "c"}) == 80);
  // Nobody wants c: written all the same, then gone.
  CHECK(peak_of({{"x", "a"}, {"a", "b", "c"}, {"b", "d", "e"}}, {"d"}) == 80);
}

TEST_CASE("live bytes: node by node") {
  // x and a; a's place taken by b, c beside it; c taken by d, e beside d and b.
  const LiveBytes live = live_in({{"x", "a"}, {"a", "b", "c"}, {"c", "d", "e"}}, {"b", "d"});
  CHECK(live.at_node == std::vector<int64_t>{32, 80, 336});
  CHECK(live.peak == 336);
}
