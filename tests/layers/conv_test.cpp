#include "layer_run.h"
#include "tests/reference/conv_reference.h"

#include <array>

namespace {

using namespace tally;
using namespace tally::test;
using reference::ConvCase;

using Ints = std::vector<int64_t>;

/// The last `rank` of three.
Ints last(const Ints& three, size_t rank) { return {three.end() - static_cast<long>(rank), three.end()}; }

Shape joined(Shape front, const Ints& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

std::map<std::string, Attribute> attributes_of(const ConvCase& c, size_t rank) {
  return {{"kernel_shape", last({c.kD, c.kH, c.kW}, rank)},
          {"strides", last({c.sD, c.sH, c.sW}, rank)},
          {"dilations", last({c.dD, c.dH, c.dW}, rank)},
          {"pads", joined(last({c.pFront, c.pT, c.pL}, rank), last({c.pBack, c.pB, c.pR}, rank))},
          {"group", c.G}};
}

struct ConvOperands {
  std::vector<double> x, w, b;
};

ConvOperands operands_of(const ConvCase& c, bool bias) {
  return {random_values(c.N * c.C * c.D * c.H * c.W, 1), random_values(c.M * (c.C / c.G) * c.kD * c.kH * c.kW, 2),
          bias ? random_values(c.M, 3) : std::vector<double>{}};
}

/// One convolution as a graph; `constant`: weights and bias are initialisers.
GraphMaker conv_graph(const ConvCase& c, const ConvOperands& o, bool constant, size_t rank) {
  const Shape x = joined({c.N, c.C}, last({c.D, c.H, c.W}, rank));
  const Shape w = joined({c.M, c.C / c.G}, last({c.kD, c.kH, c.kW}, rank));
  GraphMaker g;
  g.input("x", float_tensor(x, o.x));
  std::vector<std::string> inputs = {"x", "w"};
  const auto add = [&](const std::string& name, Tensor value) {
    constant ? g.constant(name, std::move(value)) : g.input(name, std::move(value));
  };
  add("w", float_tensor(w, o.w));
  if (!o.b.empty()) {
    add("b", float_tensor({c.M}, o.b));
    inputs.push_back("b");
  }
  g.node("Conv", inputs, "y", attributes_of(c, rank)).output("y");
  return g;
}

std::map<std::string, int> kernels_seen;

double error_factor(const ConvCase& c) { return static_cast<double>(c.C / c.G * c.kD * c.kH * c.kW + 2); }

void check_conv(const ConvCase& c, Isa isa, bool bias, bool constant, size_t rank = 2) {
  const ConvOperands o = operands_of(c, bias);
  const reference::ConvResult expected = reference::conv(c, o.x, o.w, o.b);
  run_every_candidate(conv_graph(c, o, constant, rank), isa, [&](const Ran& ran) {
    CAPTURE(OneCandidate::wanted);
    check_close(ran.outputs[0], expected.y, expected.scale, error_factor(c));
    CHECK(ran.executed().macs == expected.inside_products);
    CHECK(ran.plan->estimate.layers[0].cost.macs_nopad == expected.inside_products);
    CHECK(ran.plan->estimate.layers[0].cost.macs ==
          static_cast<int64_t>(expected.y.size()) * (c.C / c.G) * c.kD * c.kH * c.kW);
    for (const PlanRow& row : ran.plan->rows) kernels_seen[row.kernel] += 1;
  });
}

const ConvCase kCases[] = {
    {.C = 1, .H = 12, .W = 12, .M = 6, .kH = 5, .kW = 5},  // LeNet's first
    {.C = 6, .H = 9, .W = 10, .M = 16, .kH = 5, .kW = 5},
    {.N = 2, .C = 16, .H = 7, .W = 6, .M = 17, .kH = 3, .kW = 3, .pT = 1, .pL = 1, .pB = 1, .pR = 1},
    {.C = 5, .H = 8, .W = 9, .M = 7, .kH = 3, .kW = 4, .pT = 2, .pL = 0, .pB = 1, .pR = 3},  // asymmetric pads
    {.C = 3, .H = 14, .W = 15, .M = 9, .kH = 3, .kW = 3, .dH = 2, .dW = 3, .pT = 2, .pL = 3, .pB = 1, .pR = 2},
    {.C = 4, .H = 13, .W = 11, .M = 8, .kH = 2, .kW = 2, .sH = 3, .sW = 4},  // stride beyond the kernel
    {.C = 32, .H = 5, .W = 5, .M = 33},                                      // pointwise
    {.N = 3, .C = 20, .H = 4, .W = 3, .M = 12, .sH = 2, .sW = 2},            // strided pointwise
    {.C = 6, .H = 6, .W = 6, .M = 9, .G = 3, .kH = 3, .kW = 3, .pT = 1, .pL = 1, .pB = 1, .pR = 1},
    {.C = 32, .H = 6, .W = 5, .M = 64, .G = 2, .kH = 3, .kW = 2, .pL = 1},
    {.C = 19, .H = 9, .W = 8, .M = 19, .G = 19, .kH = 3, .kW = 3, .pT = 1, .pL = 1, .pB = 1, .pR = 1},  // depthwise
    {.C = 8, .H = 9, .W = 8, .M = 8, .G = 8, .kH = 3, .kW = 3, .sH = 2, .sW = 2, .pT = 0, .pL = 0, .pB = 1, .pR = 1},
    {.C = 4, .H = 7, .W = 7, .M = 8, .G = 4, .kH = 3, .kW = 3},                              // depth multiplier
    {.C = 16, .H = 5, .W = 5, .M = 120, .kH = 5, .kW = 5},                                   // one output pixel
    {.C = 2, .H = 3, .W = 3, .M = 3, .kH = 2, .kW = 2, .pT = 4, .pL = 4, .pB = 4, .pR = 4},  // outputs of padding alone
    {.C = 2, .H = 2, .W = 2, .M = 2, .kH = 3, .kW = 3, .dH = 3, .dW = 3, .pT = 5, .pL = 5, .pB = 5, .pR = 5},
};

TEST_CASE("conv: values, executed == planned and gap terms, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (size_t i = 0; i < std::size(kCases); ++i) {
      CAPTURE(i);
      check_conv(kCases[i], isa, i % 2 == 0, true);
    }
  }
}

TEST_CASE("conv: the cases reach every kernel") {
  kernels_seen.clear();
  for (const ConvCase& c : kCases) check_conv(c, best_isa(), true, true);
  for (const char* kernel : {"gemm", "pixel_conv", "depthwise", "copy"}) {
    CAPTURE(kernel);
    CHECK(kernels_seen[kernel] > 0);
  }
}

TEST_CASE("conv: weights that are graph inputs are packed at run time") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (size_t i = 0; i < std::size(kCases); ++i) {
      CAPTURE(i);
      check_conv(kCases[i], isa, i % 2 == 1, false);
    }
  }
}

TEST_CASE("conv: one dimension is two with a single row") {
  const ConvCase cases[] = {
      {.N = 2, .C = 3, .W = 20, .M = 5, .kW = 4, .sW = 2, .pL = 1, .pR = 2},
      {.C = 8, .W = 33, .M = 8, .G = 8, .kW = 3, .pL = 1, .pR = 1},
      {.C = 16, .W = 31, .M = 16, .kW = 3, .dW = 8, .pL = 16},
      {.C = 1, .W = 50, .M = 4, .kW = 9},
  };
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const ConvCase& c : cases)
      for (const bool constant : {true, false}) check_conv(c, isa, true, constant, 1);
  }
}

TEST_CASE("conv: three dimensions are planes whose rows follow each other") {
  const ConvCase cases[] = {
      {.C = 3, .H = 4, .W = 5, .M = 6, .kH = 3, .kW = 3, .D = 6, .kD = 3},
      {.N = 2,
       .C = 16,
       .H = 5,
       .W = 4,
       .M = 17,
       .kH = 3,
       .kW = 3,
       .pT = 1,
       .pL = 1,
       .pB = 1,
       .pR = 1,
       .D = 3,
       .kD = 3,
       .pFront = 1,
       .pBack = 1},
      {.C = 6,
       .H = 6,
       .W = 7,
       .M = 8,
       .G = 2,
       .kH = 2,
       .kW = 3,
       .sH = 2,
       .sW = 3,
       .dW = 2,
       .pT = 1,
       .pR = 2,
       .D = 9,
       .kD = 3,
       .sD = 3,
       .dD = 2,
       .pFront = 2,
       .pBack = 1},
      {.N = 2, .C = 5, .H = 4, .W = 4, .M = 5, .G = 5, .kH = 3, .kW = 3, .pL = 1, .D = 4, .kD = 2},  // depthwise
      {.C = 20, .H = 3, .W = 4, .M = 33, .D = 5},                                                    // pointwise
      {.C = 4, .H = 5, .W = 5, .M = 8, .kH = 3, .kW = 3, .D = 4, .sD = 2},   // no kernel in depth
      {.C = 4, .H = 2, .W = 3, .M = 24, .kH = 2, .kW = 3, .D = 4, .kD = 4},  // one output
      {.C = 2, .H = 2, .W = 2, .M = 3, .kH = 2, .kW = 2, .pT = 3, .pL = 3, .D = 2, .kD = 2, .pFront = 4, .pBack = 3},
      {.C = 3, .H = 6, .W = 7, .M = 5, .kH = 3, .kW = 3, .sD = 3, .pFront = 1},  // its plane reads padding alone
      {.C = 8, .H = 6, .W = 7, .M = 8, .G = 8, .kH = 3, .kW = 3, .sD = 3, .pFront = 1},
  };
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (size_t i = 0; i < std::size(cases); ++i)
      for (const bool constant : {true, false}) {
        CAPTURE(i);
        check_conv(cases[i], isa, (i % 2 == 0) == constant, constant, 3);
      }
  }
}

TEST_CASE("conv: depth in several blocks") {
  // 24 × 24 × 3 × 3 outputs of 700·9 products: more than one block on every ISA.
  check_conv({.C = 700, .H = 8, .W = 8, .M = 64, .kH = 3, .kW = 3, .pT = 1, .pL = 1}, best_isa(), true, true);
}

TEST_CASE("conv: auto_pad") {
  struct Expected {
    const char* name;
    int64_t in, kernel, stride, out, begin;
  };
  // SAME: out = ceil(in / stride), total = (out − 1)·stride + kernel − in, the odd one at the end (UPPER) or begin
  // (LOWER).
  const Expected cases[] = {{"SAME_UPPER", 5, 2, 1, 5, 0}, {"SAME_LOWER", 5, 2, 1, 5, 1},
                            {"SAME_UPPER", 6, 3, 2, 3, 0}, {"SAME_LOWER", 6, 3, 2, 3, 1},
                            {"VALID", 6, 3, 2, 2, 0},      {"SAME_UPPER", 7, 1, 3, 3, 0}};
  for (const Expected& e : cases) {
    CAPTURE(e.name);
    const std::vector<double> x = random_values(e.in, 5), w = random_values(e.kernel, 6);
    GraphMaker g;
    g.input("x", float_tensor({1, 1, e.in}, x)).constant("w", float_tensor({1, 1, e.kernel}, w));
    g.node("Conv", {"x", "w"}, "y", {{"auto_pad", std::string(e.name)}, {"strides", std::vector<int64_t>{e.stride}}})
        .output("y");
    const Ran ran = run_graph(g, best_isa());
    REQUIRE(ran.outputs[0].shape() == Shape{1, 1, e.out});
    const ConvCase c{.C = 1,
                     .W = e.in,
                     .M = 1,
                     .kW = e.kernel,
                     .sW = e.stride,
                     .pL = e.begin,
                     .pR = (e.out - 1) * e.stride + e.kernel - e.in - e.begin};
    const reference::ConvResult expected = reference::conv(c, x, w, {});
    check_close(ran.outputs[0], expected.y, expected.scale, error_factor(c));
  }
}

TEST_CASE("conv: other element types") {
  const ConvCase c{.N = 2, .C = 4, .H = 5, .W = 6, .M = 4, .G = 2, .kH = 3, .kW = 2, .pT = 1, .pR = 1};
  const ConvOperands o = operands_of(c, true);
  const reference::ConvResult expected = reference::conv(c, o.x, o.w, o.b);
  const auto convert = [](DType type, const Shape& shape, const std::vector<double>& values) {
    Tensor t(type, shape);
    for (size_t i = 0; i < values.size(); ++i) {
      if (type == DType::f64) t.mutable_values<double>()[i] = values[i];
      if (type == DType::f16) t.mutable_values<Half>()[i] = to_half(static_cast<float>(values[i]));
    }
    return t;
  };
  for (const DType type : {DType::f64, DType::f16}) {
    GraphMaker g;
    g.input("x", convert(type, {c.N, c.C, c.H, c.W}, o.x))
        .constant("w", convert(type, {c.M, c.C / c.G, c.kH, c.kW}, o.w));
    g.constant("b", convert(type, {c.M}, o.b)).node("Conv", {"x", "w", "b"}, "y", attributes_of(c, 2)).output("y");
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.executed().macs == expected.inside_products);
    // float16 rounds the result once: 2^-11 of it is 2^13 units of 2^-24.
    check_close(ran.outputs[0], expected.y, expected.scale, type == DType::f16 ? 8192 + error_factor(c) : 1);
    // A plain loop: products, and no lanes of an instruction set.
    CHECK(ran.plan->rows[0].on_host);
    CHECK(ran.executed().macs == ran.plan->estimate.totals.macs_nopad);
    CHECK(ran.executed().lane_macs == 0);
    CHECK(ran.plan->rows[0].gap.macs.at("host_products") == -ran.executed().macs);
  }
}

/// LeNet-5's first layer by hand: 1·6·28·28·1·5·5 = 117,600 products, 6·28·28 = 4,704 bias additions, 6·25 + 6 = 156
/// parameters. With a padding of 2, the taps inside the image along an axis are Σ over 32 outputs = 32·5 − 2·(2 + 1) =
/// 154.
TEST_CASE("conv: the formula against an example worked by hand") {
  const ConvCase c{.C = 1, .H = 32, .W = 32, .M = 6, .kH = 5, .kW = 5};
  const Ran ran = run_graph(conv_graph(c, operands_of(c, true), true, 2), best_isa());
  const NodeEstimate& row = ran.plan->estimate.layers[0];
  CHECK(row.cost.macs == 117'600);
  CHECK(row.cost.macs_nopad == 117'600);
  CHECK(row.cost.bias_additions == 4'704);
  CHECK(row.ops_sequential() == 235'200);
  CHECK(row.ops_fused() == 122'304);
  CHECK(row.params == 156);
  CHECK(row.bytes_read == 4'096);
  CHECK(row.bytes_weights == 624);
  CHECK(row.bytes_written == 18'816);
  CHECK(row.cost.textbook);
  REQUIRE(row.cost.formulas.size() == 3);
  CHECK(row.cost.formulas[0].symbols == "N·M·oH·oW·(C/g)·kH·kW");
  CHECK(row.cost.formulas[0].numbers == "1·6·28·28·1·5·5");

  const ConvCase padded{.C = 1, .H = 32, .W = 32, .M = 6, .kH = 5, .kW = 5, .pT = 2, .pL = 2, .pB = 2, .pR = 2};
  const Ran with_padding = run_graph(conv_graph(padded, operands_of(padded, false), true, 2), best_isa());
  CHECK(with_padding.plan->estimate.layers[0].cost.macs == 6 * 32 * 32 * 25);
  CHECK(with_padding.plan->estimate.layers[0].cost.macs_nopad == 6 * 154 * 154);
  CHECK(with_padding.plan->estimate.layers[0].cost.bias_additions == 0);
}

/// What a broken convolution says.
std::string error_of(const Shape& x, const Shape& w, const Shape& b, std::map<std::string, Attribute> attributes,
                     int opset = 17) {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, x)).constant("w", Tensor(DType::f32, w)).constant("b", Tensor(DType::f32, b));
  g.node("Conv", {"x", "w", "b"}, "c3", std::move(attributes), opset).output("c3");
  try {
    Context context(CompiledModel(g.graph, registry(), {}));
  } catch (const Error& e) {
    CHECK(e.code != ErrorCode::internal);
    return e.what();
  }
  return "no error";
}

TEST_CASE("conv: errors name node, found and required") {
  CHECK(error_of({1, 64, 8, 8}, {10, 12, 3, 3}, {10}, {{"group", int64_t{5}}}) ==
        "Conv 'c3': group=5 must divide C=64");
  CHECK(error_of({1, 4, 8, 8}, {9, 2, 3, 3}, {9}, {{"group", int64_t{2}}}) == "Conv 'c3': group=2 must divide M=9");
  CHECK(error_of({1, 4, 8, 8}, {9, 3, 3, 3}, {9}, {}) ==
        "Conv 'c3': W of shape 9x3x3x3 must have C/group=4 in dimension 1");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {8}, {}) == "Conv 'c3': B of shape 8 must have shape 9");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {{"kernel_shape", Ints{5, 3}}}) ==
        "Conv 'c3': kernel_shape[0]=5 must equal the weights' extent 3");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {{"strides", Ints{0, 1}}}) ==
        "Conv 'c3': strides[0]=0 must be 1 to 2147483648");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {{"strides", Ints{1}}}) ==
        "Conv 'c3': strides of 1 values must have 2");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {{"pads", Ints{1, 1}}}) == "Conv 'c3': pads of 2 values must have 4");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {{"pads", Ints{-1, 0, 0, 0}}}) ==
        "Conv 'c3': pads[0]=-1 must be 0 to 2147483648");
  CHECK(error_of({1, 4, 2, 8}, {9, 4, 3, 3}, {9}, {}) ==
        "Conv 'c3': dilated kernel extent 3 must fit the padded input extent 2");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {{"auto_pad", std::string("SOME")}}) ==
        "Conv 'c3': auto_pad='SOME' must be NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  CHECK(
      error_of({1, 4, 8, 8, 8, 8}, {9, 4, 3, 3, 3, 3}, {9}, {}) ==
      "Conv 'c3': X of shape 1x4x8x8x8x8 must have 1 to 3 spatial dimensions (rank 3 to 5): others are not supported");
  CHECK(error_of({1, 4, 2, 8, 8}, {9, 4, 3, 3, 3}, {9}, {}) ==
        "Conv 'c3': dilated kernel extent 3 must fit the padded input extent 2");
  CHECK(error_of({1, 4, 8, 8, 8}, {9, 4, 3, 3}, {9}, {}) == "Conv 'c3': W of shape 9x4x3x3 must have rank 5 like X");
  // Extents whose products exceed 63 bits.
  CHECK(error_of({1, 4, 8, 8, 8}, {9, 4, 3, 3, 3}, {9}, {{"pads", Ints(6, int64_t{1} << 31)}}) != "no error");
  CHECK(error_of({1, 4, 8, 8}, {9, 4, 3, 3}, {9}, {}, 99) == "Conv 'c3': opset 99 must be 1 to 24");
}

TEST_CASE("conv: no channels leave the bias") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1, 0, 5, 5})).constant("w", Tensor(DType::f32, {3, 0, 3, 3}));
  g.constant("b", float_tensor({3}, {1, 2, 3})).node("Conv", {"x", "w", "b"}, "y").output("y");
  run_every_candidate(g, best_isa(), [](const Ran& ran) {
    const std::vector<double> y = ran.outputs[0].to_double();
    REQUIRE(y.size() == 27);
    CHECK(y[0] == 1);
    CHECK(y[26] == 3);
  });
}

TEST_CASE("conv: an empty batch") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {0, 2, 5, 5})).constant("w", float_tensor({3, 2, 3, 3}, random_values(54, 1)));
  g.node("Conv", {"x", "w"}, "y").output("y");
  CHECK(run_graph(g, best_isa()).outputs[0].shape() == Shape{0, 3, 3, 3});
}

TEST_CASE("registry: unknown operators") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1})).node("Frobnicate", {"x"}, "y").output("y");
  CHECK_THROWS_WITH_AS(
      CompiledModel(g.graph, registry(), {}).plan(),
      "Frobnicate 'y': operator Frobnicate of domain 'ai.onnx' at opset 17 is not known; must be a supported operator",
      Error);
}

}  // namespace
