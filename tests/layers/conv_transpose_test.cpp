#include "tests/reference/conv_transpose_reference.h"

#include <algorithm>

#include "layer_run.h"
#include "tally/layers/conv_transpose.h"

namespace {

using namespace tally;
using namespace tally::test;
using reference::ConvTransposeCase;
using Ints = std::vector<int64_t>;

/// The last `rank` of three.
Ints last(const ConvTransposeCase::Triple& values, size_t rank) {
  return {values.end() - static_cast<long>(rank), values.end()};
}

Shape joined(Shape front, const Ints& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

std::map<std::string, Attribute> attributes_of(const ConvTransposeCase& c, size_t rank) {
  return {{"kernel_shape", last(c.kernel, rank)},  {"strides", last(c.stride, rank)},
          {"dilations", last(c.dilation, rank)},   {"pads", joined(last(c.begin, rank), last(c.end, rank))},
          {"output_padding", last(c.added, rank)}, {"group", c.G}};
}

struct TransposeOperands {
  std::vector<double> x, w, b;
};

TransposeOperands operands_of(const ConvTransposeCase& c, bool bias) {
  const int64_t image = c.in[0] * c.in[1] * c.in[2], taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
  return {random_values(c.N * c.C * image, 1), random_values(c.C * (c.M / c.G) * taps, 2),
          bias ? random_values(c.M, 3) : std::vector<double>{}};
}

Tensor tensor_of(DType type, const Shape& shape, const std::vector<double>& values) {
  Tensor t(type, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) t.mutable_values<float>()[i] = static_cast<float>(values[i]);
    if (type == DType::f64) t.mutable_values<double>()[i] = values[i];
    if (type == DType::f16) t.mutable_values<Half>()[i] = to_half(static_cast<float>(values[i]));
    if (type == DType::bf16) t.mutable_values<BFloat16>()[i] = to_bfloat16(static_cast<float>(values[i]));
  }
  return t;
}

/// One transposed convolution as a graph; `constant`: weights and bias are initialisers.
GraphMaker transpose_graph(const ConvTransposeCase& c, const TransposeOperands& o, size_t rank, bool constant,
                           std::map<std::string, Attribute> attributes, DType type = DType::f32) {
  GraphMaker g;
  g.input("x", tensor_of(type, joined({c.N, c.C}, last(c.in, rank)), o.x));
  std::vector<std::string> inputs = {"x", "w"};
  const auto add = [&](const std::string& name, Tensor value) {
    constant ? g.constant(name, std::move(value)) : g.input(name, std::move(value));
  };
  add("w", tensor_of(type, joined({c.C, c.M / c.G}, last(c.kernel, rank)), o.w));
  if (!o.b.empty()) {
    add("b", tensor_of(type, {c.M}, o.b));
    inputs.push_back("b");
  }
  g.node("ConvTranspose", inputs, "y", std::move(attributes)).output("y");
  return g;
}

double error_factor(const ConvTransposeCase& c) {
  return static_cast<double>(c.C / c.G * c.kernel[0] * c.kernel[1] * c.kernel[2] + 2);
}

void check_transpose(const ConvTransposeCase& c, size_t rank, Isa isa, bool bias, bool constant) {
  const TransposeOperands o = operands_of(c, bias);
  const reference::ConvTransposeResult expected = reference::conv_transpose(c, o.x, o.w, o.b);
  run_every_candidate(transpose_graph(c, o, rank, constant, attributes_of(c, rank)), isa, [&](const Ran& ran) {
    CAPTURE(OneCandidate::wanted);
    Shape y = {c.N, c.M};
    for (size_t a = 3 - rank; a < 3; ++a) y.push_back(c.out(a));
    REQUIRE(ran.outputs[0].shape() == y);
    check_close(ran.outputs[0], expected.y, expected.scale, error_factor(c));
    CHECK(ran.executed().macs == expected.kept);
    const Cost& cost = ran.plan->estimate.layers[0].cost;
    CHECK(cost.macs == expected.products);
    CHECK(cost.macs_nopad == expected.kept);
    CHECK(cost.bias_additions == (bias ? static_cast<int64_t>(expected.y.size()) : 0));
  });
}

struct RankedCase {
  size_t rank;
  ConvTransposeCase c;
};

const RankedCase kCases[] = {
    {1, {.C = 3, .M = 4, .in = {1, 1, 7}, .kernel = {1, 1, 4}, .stride = {1, 1, 2}}},
    {1,
     {.N = 2,
      .C = 4,
      .M = 6,
      .G = 2,
      .in = {1, 1, 9},
      .kernel = {1, 1, 5},
      .stride = {1, 1, 6},
      .dilation = {1, 1, 4},
      .begin = {0, 0, 3},
      .end = {0, 0, 5}}},  // gcd 2: some outputs meet no tap
    {1, {.C = 2, .M = 2, .in = {1, 1, 5}, .kernel = {1, 1, 3}, .dilation = {1, 1, 7}}},
    {1, {.C = 1, .M = 1, .in = {1, 1, 1}, .kernel = {1, 1, 1}, .stride = {1, 1, 5}, .added = {0, 0, 4}}},
    {1,
     {.C = 17,
      .M = 19,
      .in = {1, 1, 23},
      .kernel = {1, 1, 16},
      .stride = {1, 1, 8},
      .begin = {0, 0, 4},
      .end = {0, 0, 4}}},
    {2,
     {.C = 5,
      .M = 7,
      .in = {1, 4, 5},
      .kernel = {1, 3, 3},
      .stride = {1, 2, 2},
      .begin = {0, 1, 1},
      .end = {0, 1, 1},
      .added = {0, 1, 1}}},
    {2, {.N = 2, .C = 16, .M = 8, .in = {1, 6, 5}, .kernel = {1, 2, 2}, .stride = {1, 2, 2}}},  // U-Net's
    {2,
     {.C = 6,
      .M = 6,
      .G = 6,
      .in = {1, 5, 4},
      .kernel = {1, 4, 4},
      .stride = {1, 2, 2},
      .begin = {0, 1, 1},
      .end = {0, 1, 1}}},  // depthwise
    {2,
     {.C = 6,
      .M = 9,
      .G = 3,
      .in = {1, 4, 6},
      .kernel = {1, 3, 2},
      .stride = {1, 3, 4},
      .dilation = {1, 2, 3},
      .begin = {0, 2, 0},
      .end = {0, 0, 3},
      .added = {0, 2, 1}}},
    {2, {.C = 8, .M = 9, .in = {1, 6, 7}, .kernel = {1, 3, 3}, .begin = {0, 1, 2}, .end = {0, 1, 0}}},
    {2, {.C = 32, .M = 33, .in = {1, 3, 3}}},  // pointwise
    {2, {.C = 2, .M = 3, .in = {1, 2, 2}, .kernel = {1, 2, 2}, .stride = {1, 5, 5}, .begin = {0, 3, 6}}},
    {2, {.C = 2, .M = 3, .in = {1, 1, 1}, .kernel = {1, 1, 1}, .begin = {0, 1, 1}, .added = {0, 3, 3}}},  // all cropped
    {3,
     {.N = 2,
      .C = 2,
      .M = 4,
      .G = 2,
      .in = {2, 3, 4},
      .kernel = {3, 2, 3},
      .stride = {2, 1, 2},
      .dilation = {1, 2, 1},
      .begin = {1, 0, 1},
      .end = {0, 1, 1},
      .added = {1, 0, 0}}},
};

TEST_CASE("conv_transpose: values, executed == planned and gap terms, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (size_t i = 0; i < std::size(kCases); ++i)
      for (const bool constant : {true, false}) {
        CAPTURE(i);
        check_transpose(kCases[i].c, kCases[i].rank, isa, (i % 2 == 0) == constant, constant);
      }
  }
}

TEST_CASE("conv_transpose: every small window along one axis") {
  for (int64_t in = 1; in <= 3; ++in)
    for (int64_t kernel = 1; kernel <= 4; ++kernel)
      for (int64_t stride = 1; stride <= 4; ++stride)
        for (int64_t dilation = 1; dilation <= 4; ++dilation)
          for (int64_t begin = 0; begin <= 2; ++begin) {
            const ConvTransposeCase c{.in = {1, 1, in},
                                      .kernel = {1, 1, kernel},
                                      .stride = {1, 1, stride},
                                      .dilation = {1, 1, dilation},
                                      .begin = {0, 0, begin},
                                      .end = {0, 0, 1},
                                      .added = {0, 0, 1}};
            if (c.out(2) < 1) continue;
            CAPTURE(in);
            CAPTURE(kernel);
            CAPTURE(stride);
            CAPTURE(dilation);
            CAPTURE(begin);
            check_transpose(c, 1, best_isa(), false, true);
          }
}

TEST_CASE("conv_transpose: auto_pad and output_shape") {
  struct Expected {
    const char* name;
    int64_t in, kernel, stride, output_shape, out, begin;
  };
  // SAME: out = in·stride. The odd element of full − out is cut off at the end (UPPER) or the begin (all others), and
  // an output longer than full = (in − 1)·stride + kernel goes on at its end.
  const Expected cases[] = {
      {"SAME_UPPER", 3, 3, 2, 0, 6, 0}, {"SAME_LOWER", 3, 3, 2, 0, 6, 1}, {"SAME_UPPER", 4, 6, 2, 0, 8, 2},
      {"SAME_UPPER", 3, 1, 3, 0, 9, 0}, {"SAME_LOWER", 3, 1, 3, 0, 9, 0}, {"VALID", 3, 3, 2, 0, 7, 0},
      {"NOTSET", 3, 3, 2, 4, 4, 2},     {"SAME_UPPER", 3, 3, 2, 4, 4, 1}, {"SAME_LOWER", 3, 3, 2, 4, 4, 2},
      {"NOTSET", 3, 3, 2, 9, 9, 0},     {"VALID", 3, 3, 2, 8, 8, 0}};
  for (const Expected& e : cases) {
    CAPTURE(e.name);
    CAPTURE(e.out);
    const int64_t full = (e.in - 1) * e.stride + e.kernel;
    ConvTransposeCase c{.C = 2, .M = 3, .in = {1, 1, e.in}, .kernel = {1, 1, e.kernel}, .stride = {1, 1, e.stride}};
    c.begin[2] = e.begin;
    c.end[2] = full - e.begin - e.out;
    const TransposeOperands o = operands_of(c, true);
    std::map<std::string, Attribute> attributes = {{"auto_pad", std::string(e.name)}, {"strides", Ints{e.stride}}};
    if (e.output_shape) {
      attributes["output_shape"] = Ints{e.output_shape};
      attributes["pads"] = Ints{7, 1};  // ignored beside output_shape, says the operator
    }
    const Ran ran = run_graph(transpose_graph(c, o, 1, true, attributes), best_isa());
    REQUIRE(ran.outputs[0].shape() == Shape{1, 3, e.out});
    const reference::ConvTransposeResult expected = reference::conv_transpose(c, o.x, o.w, o.b);
    check_close(ran.outputs[0], expected.y, expected.scale, error_factor(c));
    CHECK(ran.executed().macs == expected.kept);
  }
}

TEST_CASE("conv_transpose: other element types") {
  const RankedCase& r = kCases[8];
  TransposeOperands o = operands_of(r.c, true);
  for (std::vector<double>* values : {&o.x, &o.w, &o.b})
    for (double& v : *values) v = std::round(128 * v) / 128;  // exact in bfloat16 too
  const reference::ConvTransposeResult expected = reference::conv_transpose(r.c, o.x, o.w, o.b);
  for (const DType type : {DType::f64, DType::f16, DType::bf16}) {
    CAPTURE(name_of(type));
    const Ran ran = run_graph(transpose_graph(r.c, o, r.rank, true, attributes_of(r.c, r.rank), type), best_isa());
    // The result is rounded once: 2^-11 of it (float16) or 2^-8 (bfloat16), in units of 2^-24.
    const double rounding = type == DType::f16 ? 8192 : type == DType::bf16 ? 65536 : 0;
    check_close(ran.outputs[0], expected.y, expected.scale, rounding + 1);
    CHECK(ran.plan->rows[0].on_host);
    CHECK(ran.executed().macs == expected.kept);
    CHECK(ran.executed().lane_macs == 0);
    CHECK(ran.plan->rows[0].gap.macs.at("host_products") == -expected.kept);
  }
}

TEST_CASE("conv_transpose: absorbs a normalisation and an activation") {
  const ConvTransposeCase c{.C = 4, .M = 6, .G = 2, .in = {1, 3, 4}, .kernel = {1, 3, 3}, .stride = {1, 2, 2}};
  for (const bool bias : {true, false}) {
    const TransposeOperands o = operands_of(c, bias);
    GraphMaker g = transpose_graph(c, o, 2, true, attributes_of(c, 2));
    g.graph.outputs.clear();
    const std::vector<double> scale = {0.5, 2, -1, 1, 0.25, 3}, shift = {1, 0, -1, 0.5, 2, -2};
    g.constant("scale", float_tensor({6}, scale)).constant("shift", float_tensor({6}, shift));
    g.constant("mean", float_tensor({6}, std::vector<double>(6, 0.5)));
    g.constant("variance", float_tensor({6}, std::vector<double>(6, 1)));
    g.node("BatchNormalization", {"y", "scale", "shift", "mean", "variance"}, "n", {{"epsilon", 0.0f}});
    g.node("Relu", {"n"}, "z").output("z");
    const Ran ran = run_graph(g, best_isa());
    CHECK(std::count_if(ran.plan->rows.begin(), ran.plan->rows.end(),
                        [](const PlanRow& row) { return row.kernel != "copy"; }) == 1);  // copies bring Y back to plain
    const reference::ConvTransposeResult y = reference::conv_transpose(c, o.x, o.w, o.b);
    std::vector<double> z, size;
    const size_t pixels = y.y.size() / 6;
    for (size_t i = 0; i < y.y.size(); ++i) {
      const size_t m = i / pixels;
      z.push_back(std::max(0.0, (y.y[i] - 0.5) * scale[m] + shift[m]));
      size.push_back((y.scale[i] + 0.5) * std::abs(scale[m]) + std::abs(shift[m]));
    }
    check_close(ran.outputs[0], z, size, error_factor(c) + 4);
  }
}

/// DCGAN's third layer cut down: [1, 8, 4, 5] through 8 → 6 channels, 4 × 4, stride 2, pads 1: 1·4·5·8·6·16 = 15,360
/// products; [1, 6, 8, 10] outputs = 480 bias additions; 8·6·16 + 6 = 774 parameters. Of the taps along an axis of n
/// inputs, the first and the last fall on what is cropped: 4·n − 2, so that 8·6·14·18 = 12,096 products are kept.
TEST_CASE("conv_transpose: the formula against an example worked by hand") {
  const ConvTransposeCase c{
      .C = 8, .M = 6, .in = {1, 4, 5}, .kernel = {1, 4, 4}, .stride = {1, 2, 2}, .begin = {0, 1, 1}, .end = {0, 1, 1}};
  const Ran ran = run_graph(transpose_graph(c, operands_of(c, true), 2, true, attributes_of(c, 2)), best_isa());
  const NodeEstimate& row = ran.plan->estimate.layers[0];
  CHECK(row.cost.macs == 15'360);
  CHECK(row.cost.macs_nopad == 12'096);
  CHECK(row.cost.bias_additions == 480);
  CHECK(row.ops_sequential() == 30'720);
  CHECK(row.ops_fused() == 15'840);
  CHECK(row.params == 774);
  CHECK(row.bytes_read == 640);
  CHECK(row.bytes_weights == 3'096);
  CHECK(row.bytes_written == 1'920);
  CHECK(row.cost.textbook);
  REQUIRE(row.cost.formulas.size() == 3);
  CHECK(row.cost.formulas[0].symbols == "N·iH·iW·C·(M/g)·kH·kW");
  CHECK(row.cost.formulas[0].numbers == "1·4·5·8·6·4·4");
  CHECK(row.cost.formulas[1].numbers == "1·8·6·14·18");
}

TEST_CASE("conv_transpose: few products far apart take no long loops") {
  GraphMaker g;
  const int64_t kernel = 1 << 16;
  g.input("x", float_tensor({1, 1, 2}, {1, 2}));
  g.constant("w", float_tensor({1, 1, kernel}, std::vector<double>(static_cast<size_t>(kernel), 1)));
  g.node("ConvTranspose", {"x", "w"}, "y", {{"strides", Ints{kernel}}}).output("y");
  const Ran ran = run_graph(g, best_isa());
  const std::vector<double> y = ran.outputs[0].to_double();
  REQUIRE(y.size() == static_cast<size_t>(2 * kernel));
  CHECK(y.front() == 1);
  CHECK(y.back() == 2);
}

std::string error_of(const Shape& x, const Shape& w, const Shape& b, std::map<std::string, Attribute> attributes) {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, x)).constant("w", Tensor(DType::f32, w)).constant("b", Tensor(DType::f32, b));
  g.node("ConvTranspose", {"x", "w", "b"}, "up", std::move(attributes)).output("up");
  try {
    Context context(CompiledModel(g.graph, registry(), {}));
  } catch (const Error& e) {
    CHECK(e.code != ErrorCode::internal);
    return e.what();
  }
  return "no error";
}

TEST_CASE("conv_transpose: errors name node, found and required") {
  const Shape x = {1, 4, 8, 8}, w = {4, 9, 3, 3}, b = {9};
  CHECK(error_of(x, w, b, {}) == "no error");
  CHECK(error_of(x, w, b, {{"group", int64_t{3}}}) == "ConvTranspose 'up': group=3 must divide C=4");
  CHECK(error_of(x, w, b, {{"group", int64_t{0}}}) == "ConvTranspose 'up': group=0 must be >= 1");
  CHECK(error_of(x, w, b, {{"group", int64_t{2}}}) == "ConvTranspose 'up': B of shape 9 must have shape 18");
  CHECK(error_of(x, {5, 9, 3, 3}, b, {}) == "ConvTranspose 'up': W of shape 5x9x3x3 must have C=4 in dimension 0");
  CHECK(error_of(x, {4, 9, 3}, b, {}) == "ConvTranspose 'up': W of shape 4x9x3 must have rank 4 like X");
  CHECK(
      error_of({1, 4}, w, b, {}) ==
      "ConvTranspose 'up': X of shape 1x4 must have 1 to 3 spatial dimensions (rank 3 to 5): others are not supported");
  CHECK(error_of(x, w, b, {{"kernel_shape", Ints{3, 5}}}) ==
        "ConvTranspose 'up': kernel_shape[1]=5 must equal the weights' extent 3");
  CHECK(error_of(x, w, b, {{"strides", Ints{int64_t{1} << 40, 1}}}) ==
        "ConvTranspose 'up': strides[0]=1099511627776 must be 1 to 2147483648");
  CHECK(error_of(x, w, b, {{"dilations", Ints{1, 0}}}) == "ConvTranspose 'up': dilations[1]=0 must be 1 to 2147483648");
  CHECK(error_of(x, w, b, {{"pads", Ints{5, 0, 5, 0}}}) ==
        "ConvTranspose 'up': pads of 5 and 5 on spatial axis 0 must leave some of the 10 outputs");
  CHECK(error_of(x, w, b, {{"pads", Ints{1}}}) == "ConvTranspose 'up': pads of 1 values must have 4");
  CHECK(error_of(x, w, b, {{"output_padding", Ints{1}}}) ==
        "ConvTranspose 'up': output_padding of 1 values must have 2");
  CHECK(error_of(x, w, b, {{"output_padding", Ints{-1, 0}}}) ==
        "ConvTranspose 'up': output_padding[0]=-1 must be 0 to 2147483648");
  CHECK(error_of(x, w, b, {{"output_shape", Ints{1, 9, 10, 10}}}) ==
        "ConvTranspose 'up': output_shape of 4 values must have 2");
  CHECK(error_of(x, w, b, {{"output_shape", Ints{10, 0}}}) ==
        "ConvTranspose 'up': output_shape[1]=0 must be 1 to 2147483648");
  CHECK(error_of({1, 4, 0, 8}, w, b, {}) == "ConvTranspose 'up': spatial extent 0 of X must be 1 to 2147483648");
  // Gigantic windows: outputs beyond the limits, with the steps as large as they may be.
  const Ints most = {int64_t{1} << 31, int64_t{1} << 31};
  for (const char* key : {"strides", "dilations", "output_padding", "output_shape"}) {
    CAPTURE(key);
    CHECK(error_of(x, w, b, {{key, most}}) != "no error");
  }
}

TEST_CASE("conv_transpose: no channels leave the bias, no images nothing") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1, 0, 2, 2})).constant("w", Tensor(DType::f32, {0, 3, 2, 2}));
  g.constant("b", float_tensor({3}, {1, 2, 3})).node("ConvTranspose", {"x", "w", "b"}, "y").output("y");
  run_every_candidate(g, best_isa(), [](const Ran& ran) {
    const std::vector<double> y = ran.outputs[0].to_double();
    REQUIRE(y.size() == 27);
    CHECK(y[0] == 1);
    CHECK(y[26] == 3);
  });
  GraphMaker empty;
  empty.input("x", Tensor(DType::f32, {0, 2, 3})).constant("w", float_tensor({2, 3, 2}, random_values(12, 1)));
  empty.node("ConvTranspose", {"x", "w"}, "y").output("y");
  CHECK(run_graph(empty, best_isa()).outputs[0].shape() == Shape{0, 3, 4});
}

std::string obstacle_of(std::map<std::string, Attribute> attributes, int64_t kernel, int axis) {
  Node node{"up", "ConvTranspose", "", "", {"x", "w"}, {"up"}, std::move(attributes), 17};
  const Operand operands[] = {{DType::f32, {1, 2, 6}, nullptr, "x", true},
                              {DType::f32, {2, 3, kernel}, nullptr, "w", true}};
  const int time_axes[] = {axis, kNoTimeAxis};
  return ConvTranspose(node).stream(operands, time_axes).obstacle;
}

TEST_CASE("conv_transpose: one time step at a time") {
  CHECK(obstacle_of({}, 1, 2) == "");
  CHECK(obstacle_of({}, 3, 2) == "kernel 3 spans time steps");
  CHECK(obstacle_of({{"strides", Ints{2}}}, 1, 2) == "stride 2 sets time steps apart");
  CHECK(obstacle_of({{"pads", Ints{1, 0}}}, 1, 2) == "makes 5 time steps of 6");
  CHECK(obstacle_of({{"pads", Ints{1, 0}}, {"output_padding", Ints{1}}}, 1, 2) == "shifts time by 1");
  CHECK(obstacle_of({{"output_shape", Ints{6}}}, 1, 2) == "output_shape fixes its time steps");
  CHECK(obstacle_of({}, 3, 1) == "sums over time, which runs along its channels");
}

}  // namespace
