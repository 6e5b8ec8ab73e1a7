// One net, one input: every instruction set of every machine within a derived bound of the same answer in double, so
// any two of them within twice that; integers bit for bit.
#include <algorithm>
#include <cmath>

#include "tally/engine/onnx/reader.h"
#include "tests/layers/typed_tensor.h"
#include "tests/reference/conv_reference.h"

namespace {

using namespace tally;
using namespace tally::test;
using reference::ConvCase;
using Values = std::vector<double>;

constexpr double kUnit = 0x1p-24;

Values magnitudes(Values v) {
  for (double& x : v) x = std::fabs(x);
  return v;
}
double largest(const Values& v) { return *std::max_element(v.begin(), v.end()); }

/// A net of convolutions, linear layers, ReLUs and 2x2 maxima in a row, in double, and how far float arithmetic in
/// whatever order may be from it, to first order: each sum of K terms errs by at most γ·Σ|term|, γ = K·u ÷ (1 − K·u)
/// (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), and an output by the sum of those, each
/// times the magnitude of the output's derivative by it.
class BoundedRun {
 public:
  Values output;
  Values bound;  ///< of each output

  BoundedRun(const Graph& graph, const Values& input) {
    Values x = input;
    Shape shape;
    for (const Dim& dim : *graph.inputs.at(0).shape) shape.push_back(dim.value);
    for (const Node& node : graph.nodes) x = apply(graph, node, x, shape);
    output = x;
    for (size_t i = 0; i < output.size(); ++i) bound.push_back(bound_of(i));
  }

 private:
  enum class Kind { sum, relu, largest };
  struct Stage {
    Kind kind;
    ConvCase c;  ///< of a largest: the extents of x
    Values x, w, rounding;
  };
  std::vector<Stage> stages_;

  Values apply(const Graph& graph, const Node& node, const Values& x, Shape& shape) {
    const auto constant = [&](size_t input) { return graph.initializers.at(node.inputs[input]); };
    if (node.op == "Flatten") {
      shape = {shape[0], element_count(shape) / shape[0]};
      return x;
    }
    if (node.op == "Relu") {
      stages_.push_back({Kind::relu, {}, x, {}, {}});
      Values y = x;
      for (double& v : y) v = std::max(v, 0.0);
      return y;
    }
    if (node.op == "MaxPool") {
      const Stage& stage = stages_.emplace_back(
          Stage{Kind::largest, {.N = shape[0], .C = shape[1], .H = shape[2], .W = shape[3]}, x, {}, {}});
      shape = {shape[0], shape[1], shape[2] / 2, shape[3] / 2};
      Values y;
      for (int64_t o = 0; o < element_count(shape); ++o) y.push_back(x[chosen(stage, o)]);
      return y;
    }
    REQUIRE((node.op == "Conv" || node.op == "Gemm"));
    const Shape w = constant(1).shape();
    ConvCase c{.N = shape[0], .C = shape[1], .M = w[0]};  // Gemm [M, C]: a convolution of one pixel
    if (node.op == "Conv") c.H = shape[2], c.W = shape[3], c.kH = w[2], c.kW = w[3];
    Stage& stage = stages_.emplace_back(Stage{Kind::sum, c, x, constant(1).to_double(), {}});
    const reference::ConvResult y = reference::conv(c, x, stage.w, constant(2).to_double());
    const auto terms = static_cast<double>(c.C * c.kH * c.kW + 1);
    for (double scale : y.scale) stage.rounding.push_back(terms * kUnit / (1 - terms * kUnit) * scale);
    shape = node.op == "Conv" ? Shape{c.N, c.M, c.oH(), c.oW()} : Shape{c.N, c.M};
    return y.y;
  }

  /// Index in x of the largest of the 2x2 of output `o`.
  static size_t chosen(const Stage& s, int64_t o) {
    const int64_t H = s.c.H, W = s.c.W, column = o % (W / 2), row = o / (W / 2) % (H / 2), map = o / (W / 2) / (H / 2);
    const int64_t corner = (map * H + 2 * row) * W + 2 * column;
    auto best = static_cast<size_t>(corner);
    for (int64_t k : {corner + 1, corner + W, corner + W + 1})
      if (s.x[static_cast<size_t>(k)] > s.x[best]) best = static_cast<size_t>(k);
    return best;
  }

  double bound_of(size_t out) const {
    Values slope(output.size(), 0);
    slope[out] = 1;
    double bound = 0;
    for (size_t i = stages_.size(); i-- > 0;) {
      const Stage& stage = stages_[i];
      for (size_t k = 0; k < stage.rounding.size(); ++k) bound += std::fabs(slope[k]) * stage.rounding[k];
      slope = before(stage, slope);
    }
    return bound;
  }

  /// Derivatives by what the stage takes, from those by what it gives.
  static Values before(const Stage& s, const Values& slope) {
    Values x(s.x.size(), 0);
    if (s.kind == Kind::relu) {
      for (size_t i = 0; i < x.size(); ++i) x[i] = s.x[i] > 0 ? slope[i] : 0;
      return x;
    }
    if (s.kind == Kind::largest) {
      for (size_t o = 0; o < slope.size(); ++o) x[chosen(s, static_cast<int64_t>(o))] += slope[o];
      return x;
    }
    const ConvCase& c = s.c;
    for (int64_t o = 0; o < std::ssize(slope); ++o) {
      const int64_t column = o % c.oW(), row = o / c.oW() % c.oH(), m = o / c.oW() / c.oH() % c.M;
      const int64_t n = o / c.oW() / c.oH() / c.M;
      for (int64_t k = 0; k < c.C * c.kH * c.kW; ++k) {
        const int64_t i = k / c.kW / c.kH, y = row + k / c.kW % c.kH, z = column + k % c.kW;
        x[static_cast<size_t>(((n * c.C + i) * c.H + y) * c.W + z)] +=
            slope[static_cast<size_t>(o)] * s.w[static_cast<size_t>(m * c.C * c.kH * c.kW + k)];
      }
    }
    return x;
  }
};

TEST_CASE("LeNet-5: every ISA within the bound of the answer in double") {
  const Graph graph = read_onnx(TALLY_SOURCE_DIR "/tools/models/lenet5_fashion.onnx");
  const Values input = magnitudes(random_values(32 * 32, 7));
  const BoundedRun expected(graph, input);
  CHECK(largest(expected.bound) < 1e-3 * largest(magnitudes(expected.output)));  // a bound that says something
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    const Values found =
        run_graph({graph, {{"input", float_tensor({1, 1, 32, 32}, input)}}}, isa).outputs[0].to_double();
    REQUIRE(found.size() == expected.output.size());
    for (size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      CHECK(std::fabs(found[i] - expected.output[i]) <= expected.bound[i]);
    }
  }
}

Values whole_numbers(int64_t count, uint32_t seed, double from, double to) {
  Values values = random_values(count, seed);
  for (double& v : values) v = std::floor(from + (v + 1) / 2 * (to - from));
  return values;
}

/// Floats made integers, two quantized layers and integer products: each float operation here rounds as IEEE 754 says,
/// so there is one answer.
GraphMaker quantized_net() {
  GraphMaker g;
  const auto number = [&](const std::string& name, float value) { g.constant(name, Tensor::scalar(value)); };
  const auto zero = [&](const std::string& name, DType type, double value) {
    g.constant(name, typed_tensor(type, {}, {value}));
  };
  g.input("x", float_tensor({2, 3, 12, 12}, random_values(2 * 3 * 144, 1)));
  number("xs", 0.0078f), zero("xz", DType::u8, 127);
  g.constant("w1", typed_tensor(DType::i8, {16, 3, 3, 3}, whole_numbers(16 * 27, 2, -128, 128)));
  number("w1s", 0.0131f), zero("w1z", DType::i8, 0), number("y1s", 0.0173f), zero("y1z", DType::u8, 109);
  g.constant("b1", typed_tensor(DType::i32, {16}, whole_numbers(16, 3, -3000, 3000)));
  g.constant("w2", typed_tensor(DType::i8, {1600, 10}, whole_numbers(16000, 4, -128, 128)));
  number("w2s", 0.0071f), zero("w2z", DType::i8, 3), number("y2s", 0.31f), zero("y2z", DType::u8, 128);
  g.constant("flat", Tensor::of_int64({2, 1600}));
  g.constant("w3", typed_tensor(DType::u8, {10, 7}, whole_numbers(70, 5, 0, 256))), zero("w3z", DType::u8, 130);
  g.node("QuantizeLinear", {"x", "xs", "xz"}, "q");
  g.node("QLinearConv", {"q", "xs", "xz", "w1", "w1s", "w1z", "y1s", "y1z", "b1"}, "c");
  g.node("Reshape", {"c", "flat"}, "f");
  g.node("QLinearMatMul", {"f", "y1s", "y1z", "w2", "w2s", "w2z", "y2s", "y2z"}, "m");
  g.node("MatMulInteger", {"m", "w3", "y2z", "w3z"}, "y");
  return g.output("m").output("y");
}

TEST_CASE("a quantized net: the same integers on every ISA") {
  // What every instruction set of x86-64, AArch64 and 32-bit ARM computes.
  const Values logits = {136, 255, 208, 96, 154, 136, 160, 188, 36, 53, 64, 201, 80, 175, 154, 46, 148, 60, 255, 124};
  const Values sums = {-8621, 7911, 25598, 7372, 32935, -10642, -807, -5096, -7363, -31455, 7723, -17813, 1608, -28268};
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    const Ran ran = run_graph(quantized_net(), isa);
    CHECK(ran.outputs[0].to_double() == logits);
    CHECK(ran.outputs[1].to_double() == sums);
  }
}

}  // namespace
