#include "layer_run.h"

namespace {

using namespace tally;
using namespace tally::test;

struct Statistics {
  std::vector<double> scale, bias, mean, var;
};

Statistics statistics(int64_t channels) {
  Statistics s{random_values(channels, 21), random_values(channels, 22), random_values(channels, 23),
               random_values(channels, 24)};
  for (double& v : s.var) v = std::abs(v) + 0.25;
  return s;
}

std::vector<double> oracle(const Shape& shape, const std::vector<double>& x, const Statistics& s, double epsilon,
                           bool relu = false) {
  const int64_t channels = static_cast<int64_t>(s.scale.size()),
                pixels = element_count(Shape(shape.begin() + 2, shape.end()));
  std::vector<double> y;
  for (size_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<size_t>(static_cast<int64_t>(i) / pixels % channels);
    const double v = (x[i] - s.mean[c]) / std::sqrt(s.var[c] + epsilon) * s.scale[c] + s.bias[c];
    y.push_back(relu && v < 0 ? 0 : v);
  }
  return y;
}

GraphMaker norm_graph(const Shape& shape, const std::vector<double>& x, const Statistics& s, bool constant,
                      float epsilon, int opset = 15) {
  GraphMaker g;
  g.input("x", float_tensor(shape, x));
  const auto add = [&](const char* name, const std::vector<double>& values) {
    const Tensor t = float_tensor({static_cast<int64_t>(values.size())}, values);
    constant ? g.constant(name, t) : g.input(name, t);
  };
  add("s", s.scale);
  add("b", s.bias);
  add("m", s.mean);
  add("v", s.var);
  return g.node("BatchNormalization", {"x", "s", "b", "m", "v"}, "n", {{"epsilon", epsilon}}, opset);
}

const Shape kShapes[] = {{2, 19, 5, 3}, {3, 40},       {1, 16, 33},    {1, 3, 2, 3, 4},
                         {1, 1, 1, 1},  {17, 5, 2, 1}, {1 << 30, 2, 0}};

TEST_CASE("BatchNormalization: constant statistics or none, any rank, both layouts, every ISA") {
  for (const Isa isa : usable_isas())
    for (const Shape& shape : kShapes)
      for (const bool constant : {true, false}) {
        CAPTURE(to_string(shape));
        CAPTURE(constant);
        const Statistics s = statistics(shape[1]);
        const std::vector<double> x = random_values(element_count(shape), 1), expected = oracle(shape, x, s, 1e-3);
        GraphMaker g = norm_graph(shape, x, s, constant, 1e-3f).output("n");
        run_every_candidate(g, isa, [&](const Ran& ran) {
          check_close(ran.outputs[0], expected, std::vector<double>(expected.size(), 6.0), 4);
          const NodeEstimate& e = ran.plan->estimate.layers[0];
          CHECK(e.cost.elementwise == 2 * static_cast<int64_t>(x.size()));
          CHECK(e.params == (constant ? 2 * shape[1] : 0));
          CHECK(e.buffers == (constant ? 2 * shape[1] : 0));
          CHECK(e.bytes_weights == (constant ? 16 * shape[1] : 0));
        });
      }
}

TEST_CASE("BatchNormalization absorbs Relu") {
  for (const Isa isa : usable_isas())
    for (const bool constant : {true, false}) {
      const Shape shape = {2, 19, 5, 3};
      const Statistics s = statistics(19);
      const std::vector<double> x = random_values(element_count(shape), 1), expected = oracle(shape, x, s, 1e-5, true);
      const Ran ran = run_graph(norm_graph(shape, x, s, constant, 1e-5f).node("Relu", {"n"}, "y").output("y"), isa);
      CHECK(ran.plan->rows.size() == 1);
      check_close(ran.outputs[0], expected, std::vector<double>(expected.size(), 6.0), 4);
    }
}

TEST_CASE("BatchNormalization folds into the convolution before it") {
  const Statistics s = statistics(7);
  GraphMaker g = norm_graph({1, 7, 4, 4}, random_values(7 * 16, 1), s, true, 1e-5f);
  g.constant("w", float_tensor({7, 7, 1, 1}, random_values(49, 2)));
  g.graph.nodes[0].inputs[0] = "c";
  g.node("Conv", {"x", "w"}, "c").node("Relu", {"n"}, "y").output("y");
  g.graph.sort_and_check();
  const Ran folded = run_graph(g, best_isa()), plain = run_graph(g, best_isa(), false);
  CHECK(folded.plan->rows.size() == 1);
  CHECK(folded.plan->rows[0].nodes.size() == 3);
  check_close(folded.outputs[0], plain.outputs[0].to_double(), std::vector<double>(7 * 16, 30.0), 10);
  CHECK(folded.plan->estimate.totals.params == 49 + 14);
  CHECK(folded.plan->estimate.totals.buffers == 14);
}

TEST_CASE("BatchNormalization before opset 9: statistics of every element of an image") {
  const Shape shape = {3, 2, 4};
  const Statistics s = statistics(8);
  const std::vector<double> x = random_values(24, 1);
  GraphMaker g = norm_graph(shape, x, s, true, 1e-5f, 7).output("n");
  g.graph.nodes[0].attributes["spatial"] = int64_t{0};
  for (auto& [name, tensor] : g.graph.initializers) tensor = tensor.reshaped({2, 4});
  std::vector<double> expected;
  for (size_t i = 0; i < 24; ++i) {
    const size_t c = i % 8;
    expected.push_back((x[i] - s.mean[c]) / std::sqrt(s.var[c] + 1e-5) * s.scale[c] + s.bias[c]);
  }
  check_close(run_graph(g, best_isa()).outputs[0], expected, std::vector<double>(24, 6.0), 4);
}

TEST_CASE("BatchNormalization: training and bad operands are refused") {
  const auto error_of = [](GraphMaker g) {
    try {
      run_graph(g, Isa::scalar);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const GraphMaker good = norm_graph({1, 4, 2}, random_values(8, 1), statistics(4), true, 1e-5f).output("n");
  GraphMaker training = good;
  training.graph.nodes[0].attributes["training_mode"] = int64_t{1};
  CHECK(error_of(training) == "BatchNormalization 'n': training_mode=1 must be 0 (out of scope: training)");
  GraphMaker outputs = good;
  outputs.graph.nodes[0].outputs = {"n", "mean"};
  CHECK(error_of(outputs) == "BatchNormalization 'n': 2 outputs must be 1: the others belong to training");
  GraphMaker shape = good;
  shape.graph.initializers["m"] = Tensor(DType::f32, {3});
  CHECK(error_of(shape) == "BatchNormalization 'n': mean of shape 3 must have shape 4");
}

}  // namespace
