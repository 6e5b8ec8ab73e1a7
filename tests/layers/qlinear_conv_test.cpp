// ConvInteger and QLinearConv against the definition of Conv in double, which integers of 8 bits keep exact.
#include "typed_tensor.h"

#include "tests/reference/conv_reference.h"

namespace {

using namespace tally;
using namespace tally::test;
using reference::ConvCase;
using Values = std::vector<double>;

Values integers(int64_t count, uint32_t seed, DType type) {
  Values values = random_values(count, seed);
  for (double& v : values) v = std::floor(v * 128) + (type == DType::u8 ? 128 : 0);
  return values;
}

/// values − zero of each of `channels` equal parts.
Values centred(Values values, const Values& zeros) {
  const size_t part = values.size() / zeros.size();
  for (size_t i = 0; i < values.size(); ++i) values[i] -= zeros[i / part];
  return values;
}

struct Types {
  DType x, w, y;
};
constexpr Types kTypes[] = {{DType::u8, DType::i8, DType::u8},
                            {DType::u8, DType::u8, DType::i8},
                            {DType::i8, DType::i8, DType::i8},
                            {DType::i8, DType::u8, DType::u8}};

std::map<std::string, Attribute> attributes_of(const ConvCase& c, bool planar) {
  using Ints = std::vector<int64_t>;
  std::map<std::string, Attribute> list = {{"group", c.G}};
  list["strides"] = planar ? Ints{c.sH, c.sW} : Ints{c.sW};
  list["dilations"] = planar ? Ints{c.dH, c.dW} : Ints{c.dW};
  list["pads"] = planar ? Ints{c.pT, c.pL, c.pB, c.pR} : Ints{c.pL, c.pR};
  return list;
}

const ConvCase kCases[] = {
    {.C = 1, .H = 5, .W = 6, .M = 1, .kH = 3, .kW = 2},
    {.N = 2, .C = 3, .H = 7, .W = 9, .M = 5, .kH = 3, .kW = 3, .pT = 1, .pL = 2, .pB = 0, .pR = 1},
    {.C = 4, .H = 8, .W = 11, .M = 6, .G = 2, .kH = 2, .kW = 3, .sH = 2, .sW = 3, .dH = 2, .dW = 2, .pT = 2, .pR = 3},
    {.C = 3, .H = 3, .W = 3, .M = 3, .G = 3, .kH = 1, .kW = 1, .sH = 4, .sW = 4},
    {.C = 2, .H = 2, .W = 600, .M = 2, .kH = 1, .kW = 5, .pL = 2, .pR = 2},  // rows of several runs
    {.C = 2, .H = 1, .W = 23, .M = 3, .kW = 4, .sW = 2, .dW = 3, .pL = 7, .pR = 1},
};

struct Problem {
  Values x, w, x_zero, w_zero, bias;
  reference::ConvResult sums;
};

/// `per_channel`: a zero point a map.
Problem problem_of(const ConvCase& c, const Types& t, bool per_channel, bool bias) {
  Problem p;
  p.x = integers(c.N * c.C * c.H * c.W, 1, t.x);
  p.w = integers(c.M * c.C / c.G * c.kH * c.kW, 2, t.w);
  p.x_zero = {t.x == DType::u8 ? 131.0 : -7.0};
  p.w_zero = integers(per_channel ? c.M : 1, 3, t.w);
  if (bias)
    for (int64_t m = 0; m < c.M; ++m) p.bias.push_back(static_cast<double>(1000 * m - 1500));
  p.sums = reference::conv(c, centred(p.x, p.x_zero), centred(p.w, p.w_zero), p.bias);
  return p;
}

Shape x_shape(const ConvCase& c, bool planar) { return planar ? Shape{c.N, c.C, c.H, c.W} : Shape{c.N, c.C, c.W}; }
Shape w_shape(const ConvCase& c, bool planar) {
  return planar ? Shape{c.M, c.C / c.G, c.kH, c.kW} : Shape{c.M, c.C / c.G, c.kW};
}
Shape parameter_shape(const Values& values) {
  return values.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(values.size())};
}

void check_counts(const ConvCase& c, const Problem& p, const Ran& ran) {
  const EstimateTotals& totals = ran.plan->estimate.totals;
  CHECK(ran.executed().macs == p.sums.inside_products);
  CHECK(totals.macs_nopad == p.sums.inside_products);
  CHECK(totals.macs == c.N * c.M * c.oH() * c.oW() * (c.C / c.G) * c.kH * c.kW);
  CHECK(totals.activation_elements_textbook == c.N * c.M * c.oH() * c.oW());
}

TEST_CASE("ConvInteger: every window, type and zero point; what it counts") {
  for (const ConvCase& c : kCases)
    for (const Types& t : kTypes)
      for (bool per_channel : {false, true}) {
        const bool planar = c.H > 1;
        const Problem p = problem_of(c, t, per_channel, false);
        GraphMaker made;
        made.input("x", typed_tensor(t.x, x_shape(c, planar), p.x));
        made.input("xz", typed_tensor(t.x, {}, p.x_zero));
        made.constant("w", typed_tensor(t.w, w_shape(c, planar), p.w));
        made.constant("wz", typed_tensor(t.w, parameter_shape(p.w_zero), p.w_zero));
        made.node("ConvInteger", {"x", "w", "xz", "wz"}, "y", attributes_of(c, planar)).output("y");
        const Ran ran = run_graph(made, best_isa());
        CHECK(ran.outputs[0].dtype() == DType::i32);
        CHECK(ran.outputs[0].to_double() == p.sums.y);
        check_counts(c, p, ran);
        CHECK(ran.plan->estimate.totals.params == element_count(w_shape(c, planar)));
        CHECK(ran.plan->estimate.totals.bytes_compulsory ==
              static_cast<int64_t>(p.x.size() + p.w.size() + 4 * p.sums.y.size()));
      }
}

TEST_CASE("ConvInteger without zero points; in three dimensions") {
  // A kernel of two planes: the sum of two planar convolutions, the second one plane further on.
  const ConvCase plane{.C = 2, .H = 4, .W = 5, .M = 3, .kH = 3, .kW = 3, .pT = 1, .pL = 1};
  constexpr int64_t kD = 4, kDepth = 2, kStride = 2, kDilation = 2;
  const Values x = integers(2 * kD * 20, 1, DType::i8), w = integers(3 * 2 * kDepth * 9, 2, DType::i8);
  const auto planes = [](const Values& all, int64_t maps, int64_t depth, int64_t size, int64_t d) {
    Values part;
    for (int64_t m = 0; m < maps; ++m)
      for (int64_t i = 0; i < size; ++i)
        part.push_back(d < 0 || d >= depth ? 0 : all[static_cast<size_t>((m * depth + d) * size + i)]);
    return part;
  };
  const Ran ran = run_graph(
      one_node("ConvInteger",
               {typed_tensor(DType::i8, {1, 2, kD, 4, 5}, x), typed_tensor(DType::i8, {3, 2, kDepth, 3, 3}, w)},
               {{"pads", std::vector<int64_t>{1, 1, 1, 1, 0, 0}},
                {"strides", std::vector<int64_t>{kStride, 1, 1}},
                {"dilations", std::vector<int64_t>{kDilation, 1, 1}}}),
      best_isa());
  constexpr int64_t kOut = (kD + 2 - kDilation - 1) / kStride + 1;
  REQUIRE(ran.outputs[0].shape() == Shape{1, 3, kOut, 3, 4});
  const Values y = ran.outputs[0].to_double();
  for (int64_t o = 0; o < kOut; ++o) {
    Values expected(3 * 12);
    for (int64_t k = 0; k < kDepth; ++k) {
      const Values part =
          reference::conv(plane, planes(x, 2, kD, 20, o * kStride - 1 + k * kDilation), planes(w, 6, kDepth, 9, k), {})
              .y;
      for (size_t i = 0; i < part.size(); ++i) expected[i] += part[i];
    }
    CHECK(planes(y, 3, kOut, 12, o) == expected);
  }
}

TEST_CASE("QLinearConv: bias, scales by channel, rounding and saturation") {
  for (const ConvCase& c : kCases)
    for (const Types& t : kTypes)
      for (bool per_channel : {false, true}) {
        const bool planar = c.H > 1;
        const Problem p = problem_of(c, t, per_channel, true);
        // Powers of two keep the quotient exact: ties are ties, and a few results saturate.
        Values w_scale(per_channel ? static_cast<size_t>(c.M) : 1, 0.25);
        if (per_channel) w_scale[0] = 0.0625;
        const double x_scale = 0.5, y_scale = 16, y_zero = t.y == DType::u8 ? 120 : -3;
        GraphMaker made;
        made.input("x", typed_tensor(t.x, x_shape(c, planar), p.x));
        made.constant("xs", Tensor::scalar(static_cast<float>(x_scale)))
            .constant("xz", typed_tensor(t.x, {1}, p.x_zero));
        made.constant("w", typed_tensor(t.w, w_shape(c, planar), p.w));
        made.constant("ws", typed_tensor(DType::f32, parameter_shape(w_scale), w_scale));
        made.constant("wz", typed_tensor(t.w, parameter_shape(p.w_zero), p.w_zero));
        made.constant("ys", Tensor::scalar(static_cast<float>(y_scale)))
            .constant("yz", typed_tensor(t.y, {}, {y_zero}));
        made.constant("b", typed_tensor(DType::i32, {c.M}, p.bias));
        made.node("QLinearConv", {"x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"}, "y", attributes_of(c, planar));
        const Ran ran = run_graph(made.output("y"), best_isa());
        CHECK(ran.outputs[0].dtype() == t.y);
        const Values y = ran.outputs[0].to_double();
        const int64_t pixels = c.oH() * c.oW();
        for (size_t i = 0; i < y.size(); ++i) {
          const size_t m = static_cast<size_t>(static_cast<int64_t>(i) / pixels % c.M);
          const double real = p.sums.y[i] * x_scale * w_scale[per_channel ? m : 0] / y_scale;
          double rounded = std::floor(real + 0.5);
          if (rounded - real == 0.5 && std::fmod(rounded, 2) != 0) rounded -= 1;
          const double lo = t.y == DType::u8 ? 0 : -128;
          if (y[i] != std::clamp(rounded + y_zero, lo, lo + 255)) FAIL_CHECK(i << ": " << y[i] << " of " << real);
        }
        check_counts(c, p, ran);
        const Cost& cost = ran.plan->estimate.layers[0].cost;
        CHECK(cost.bias_additions == static_cast<int64_t>(y.size()));
        CHECK(cost.elementwise == 5 * static_cast<int64_t>(y.size()));
        CHECK(cost.comparisons == 2 * static_cast<int64_t>(y.size()));
        CHECK(ran.plan->estimate.totals.params == element_count(w_shape(c, planar)) + c.M);
      }
}

TEST_CASE("sums of products wrap at 32 bits, as the standard allows") {
  // 33,026 products of 255·255 exceed 2^31; the sum is their residue.
  const int64_t n = 40000;
  const Ran ran =
      run_graph(one_node("ConvInteger", {typed_tensor(DType::u8, {1, 1, n}, Values(static_cast<size_t>(n), 255)),
                                         typed_tensor(DType::u8, {1, 1, n}, Values(static_cast<size_t>(n), 255))}),
                best_isa());
  CHECK(ran.outputs[0].to_double() == Values{static_cast<double>(n * 255 * 255 - (int64_t{1} << 32))});
}

TEST_CASE("integer convolutions over time: rows that a window of one looks at") {
  CHECK(stream_of("ConvInteger", {{1, 2, 8}, {3, 2, 1}}, {2}).time_axes == std::vector<int>{2});
  CHECK(stream_of("ConvInteger", {{1, 2, 8}, {3, 2, 2}}, {2}).obstacle == "kernel 2 spans time steps");
  CHECK(stream_of("ConvInteger", {{1, 2, 8}, {3, 2, 1}}, {1}).obstacle ==
        "sums over time, which runs along its channels");
}

TEST_CASE("integer convolutions: operands that do not fit") {
  const auto tensor = [](DType type, const Shape& shape) {
    return typed_tensor(type, shape, Values(static_cast<size_t>(element_count(shape))));
  };
  const Tensor x = tensor(DType::u8, {1, 4, 5, 5}), w = tensor(DType::i8, {2, 4, 3, 3}), z = tensor(DType::u8, {});
  const auto convolve = [&](const std::vector<Tensor>& operands, std::map<std::string, Attribute> attributes = {}) {
    return error_text(one_node("ConvInteger", operands, std::move(attributes)));
  };
  const std::string who = "ConvInteger 'y': ";
  CHECK(convolve({x, w, z}) == "no error");
  CHECK(convolve({tensor(DType::f32, {1, 4, 5, 5}), w}) == who + "x of type float32 must be int8 or uint8");
  CHECK(convolve({x, tensor(DType::i32, {2, 4, 3, 3})}) == who + "w of type int32 must be int8 or uint8");
  CHECK(convolve({tensor(DType::u8, {1, 4}), w}) ==
        who + "x of shape 1x4 must have 1 to 3 spatial dimensions (rank 3 to 5)");
  CHECK(convolve({x, tensor(DType::i8, {2, 4, 3})}) == who + "w of shape 2x4x3 must have rank 4 like x");
  CHECK(convolve({x, w}, {{"group", int64_t{0}}}) == who + "group=0 must be >= 1");
  CHECK(convolve({x, w}, {{"group", int64_t{3}}}) == who + "group=3 must divide C=4");
  CHECK(convolve({x, tensor(DType::i8, {3, 2, 3, 3})}, {{"group", int64_t{2}}}) == who + "group=2 must divide M=3");
  CHECK(convolve({x, w}, {{"group", int64_t{2}}}) == who + "w of shape 2x4x3x3 must have C/group=2 in dimension 1");
  CHECK(convolve({x, w, tensor(DType::i8, {})}) == who + "x_zero_point of type int8 must be uint8");
  CHECK(convolve({x, w, tensor(DType::u8, {4})}) == who + "x_zero_point of shape 4 must have one element");
  CHECK(convolve({x, w, z, tensor(DType::i8, {3})}) == who + "w_zero_point of shape 3 must have one element or 2");
  const Tensor one = Tensor::scalar(1), wz = tensor(DType::i8, {});
  const auto quantised = [&](const Tensor& x_scale, const Tensor& y_zero, const Tensor& b) {
    return error_text(one_node("QLinearConv", {x, x_scale, z, w, one, wz, one, y_zero, b}));
  };
  CHECK(quantised(one, z, tensor(DType::i32, {2})) == "no error");
  CHECK(quantised(z, z, tensor(DType::i32, {2})) == "QLinearConv 'y': x_scale of type uint8 must be float32");
  CHECK(quantised(one, one, tensor(DType::i32, {2})) ==
        "QLinearConv 'y': y_zero_point of type float32 must be int8 or uint8");
  CHECK(quantised(one, z, tensor(DType::i32, {3})) ==
        "QLinearConv 'y': B of type int32 and shape 3 must be int32 of shape 2");
}

}  // namespace
