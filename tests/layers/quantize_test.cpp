// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear against their definitions in double.
#include "tally/layers/quantize.h"

#include "tally/platforms/float8.h"
#include "tally/platforms/nibble.h"
#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;
using Values = std::vector<double>;

/// typed_tensor, of 4-bit and 8-bit float types too.
Tensor quantised_tensor(DType type, const Shape& shape, const Values& values) {
  if (type != DType::i4 && type != DType::u4 && !is_float8(type)) return typed_tensor(type, shape, values);
  Tensor t(type, shape);
  auto* bytes = static_cast<uint8_t*>(t.mutable_data());
  for (size_t i = 0; i < values.size(); ++i)
    is_float8(type) ? void(bytes[i] = to_float8(type, values[i], true))
                    : set_nibble(bytes, i, static_cast<int>(values[i]));
  return t;
}

struct IntegerRange {
  DType type;
  double lo, hi;
};
constexpr IntegerRange kRanges[] = {{DType::i8, -128, 127}, {DType::u8, 0, 255}, {DType::i16, -32768, 32767},
                                    {DType::u16, 0, 65535}, {DType::i4, -8, 7},  {DType::u4, 0, 15}};

double halves_to_even(double x) {
  const double below = std::floor(x), over = x - below;
  if (over != 0.5) return over < 0.5 ? below : below + 1;
  return std::fmod(below, 2) == 0 ? below : below + 1;
}

/// How parameters lie over x [4, 6, 5].
struct Granularity {
  const char* name;
  Shape scale;
  std::map<std::string, Attribute> attributes;
  size_t (*parameter)(size_t i);  ///< of element i
};
const Granularity kGranularities[] = {
    {"tensor", {}, {}, [](size_t) -> size_t { return 0; }},
    {"tensor, rank 1", {1}, {}, [](size_t) -> size_t { return 0; }},
    {"axis 1", {6}, {}, [](size_t i) { return i / 5 % 6; }},
    {"axis 0", {4}, {{"axis", int64_t{-3}}}, [](size_t i) { return i / 30; }},
    {"last axis", {5}, {{"axis", int64_t{2}}}, [](size_t i) { return i % 5; }},
    {"blocks of 4 of axis 1",
     {4, 2, 5},
     {{"axis", int64_t{1}}, {"block_size", int64_t{4}}},
     [](size_t i) { return i / 30 * 10 + i / 5 % 6 / 4 * 5 + i % 5; }},
    {"blocks of 3 of the last axis",
     {4, 6, 2},
     {{"axis", int64_t{-1}}, {"block_size", int64_t{3}}},
     [](size_t i) { return i / 5 * 2 + i % 5 / 3; }},
    {"one block of 9 of the first axis",
     {1, 6, 5},
     {{"axis", int64_t{0}}, {"block_size", int64_t{9}}},
     [](size_t i) { return i % 30; }},
};
const Shape kX = {4, 6, 5};

Values some_scales(size_t n) {
  Values scales;
  for (size_t i = 0; i < n; ++i) scales.push_back(0.25 * static_cast<double>(1 + i % 3));  // exact in every type
  return scales;
}
Values some_zeros(size_t n, const IntegerRange& range) {
  Values zeros;
  for (size_t i = 0; i < n; ++i)
    zeros.push_back(range.lo + std::fmod(static_cast<double>(3 * i + 2), range.hi - range.lo));
  return zeros;
}

size_t count_of(const Shape& shape) { return static_cast<size_t>(element_count(shape)); }

void check_quantize(const Granularity& g, const IntegerRange& range, DType x_type, bool has_zero, bool constant,
                    Isa isa) {
  const size_t n = count_of(kX), parameters = count_of(g.scale);
  Values x = random_values(static_cast<int64_t>(n), 7);
  for (size_t i = 0; i < n; ++i) x[i] = halves_to_even(x[i] * 80) / 8;  // ties among them
  x[3] = 1e4, x[9] = -1e4;                                              // these saturate int8
  const Values scales = some_scales(parameters), zeros = some_zeros(parameters, range);
  GraphMaker made;
  std::vector<std::string> inputs = {"x", "scale"};
  made.input("x", typed_tensor(x_type, kX, x));
  const auto add = [&](const std::string& name, Tensor value) {
    constant ? made.constant(name, std::move(value)) : made.input(name, std::move(value));
  };
  add("scale", typed_tensor(x_type, g.scale, scales));
  std::map<std::string, Attribute> attributes = g.attributes;
  if (has_zero) {
    inputs.push_back("zero");
    add("zero", quantised_tensor(range.type, g.scale, zeros));
  } else {
    constexpr std::pair<DType, int64_t> kCodes[] = {{DType::i8, 3},  {DType::u8, 2},  {DType::i16, 5},
                                                    {DType::u16, 4}, {DType::i4, 22}, {DType::u4, 21}};
    for (const auto& [type, code] : kCodes)
      if (type == range.type) attributes["output_dtype"] = code;
  }
  made.node("QuantizeLinear", inputs, "y", attributes, 24).output("y");
  const Ran ran = run_graph(made, isa);
  CHECK(ran.outputs[0].dtype() == range.type);
  const Values y = ran.outputs[0].to_double();
  for (size_t i = 0; i < n; ++i) {
    CAPTURE(i);
    const size_t p = g.parameter(i);
    const double quotient =
        x_type == DType::f32 ? static_cast<double>(static_cast<float>(x[i] / scales[p])) : x[i] / scales[p];
    const double expected = halves_to_even(quotient) + (has_zero ? zeros[p] : 0);
    CHECK(y[i] == std::clamp(expected, range.lo, range.hi));
  }
  const Cost& cost = ran.plan->estimate.layers[0].cost;
  CHECK(cost.elementwise == static_cast<int64_t>(n) * (has_zero ? 5 : 4));
  CHECK(cost.comparisons == static_cast<int64_t>(n) * 2);
  CHECK(ran.plan->estimate.totals.bytes_compulsory ==
        static_cast<int64_t>(n) * bits_of(x_type) / 8 + bytes_of(range.type, static_cast<int64_t>(n)));
  CHECK(ran.plan->estimate.totals.params == 0);
}

TEST_CASE("QuantizeLinear by its definition: every granularity and integer type") {
  for (const Granularity& g : kGranularities)
    for (const IntegerRange& range : kRanges)
      for (bool has_zero : {true, false}) {
        CAPTURE(g.name);
        CAPTURE(name_of(range.type));
        check_quantize(g, range, DType::f32, has_zero, true, best_isa());
        check_quantize(g, range, DType::f32, has_zero, false, Isa::scalar);
      }
  for (DType type : {DType::f16, DType::bf16})
    check_quantize(kGranularities[2], kRanges[0], type, true, true, best_isa());
}

TEST_CASE("QuantizeLinear of more elements than a row holds, on every instruction set and thread count") {
  const int64_t n = 3 * 4096 + 17;
  const Values x = random_values(n, 5);
  for (Isa isa : usable_isas()) {
    GraphMaker made;
    made.input("x", float_tensor({n}, x)).constant("s", Tensor::scalar(0.01f));
    made.constant("z", quantised_tensor(DType::i8, {}, {-5}));
    made.node("QuantizeLinear", {"x", "s", "z"}, "q")
        .node("DequantizeLinear", {"q", "s", "z"}, "y")
        .output("q")
        .output("y");
    const Ran ran = run_graph(made, isa);
    const Values q = ran.outputs[0].to_double(), y = ran.outputs[1].to_double();
    for (size_t i = 0; i < x.size(); ++i) {
      const float quotient = static_cast<float>(x[i]) / 0.01f;
      const double expected = std::clamp(halves_to_even(static_cast<double>(quotient)) - 5, -128.0, 127.0);
      if (q[i] != expected) FAIL_CHECK(i << ": " << q[i] << ", must be " << expected);
      const float back = (static_cast<float>(q[i]) + 5) * 0.01f;
      if (y[i] != static_cast<double>(back)) FAIL_CHECK(i << ": " << y[i] << ", must be " << back);
    }
  }
}

TEST_CASE("QuantizeLinear of what is no number, too large or infinite") {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {nan, infinity, -infinity, 3e38f, -3e38f, -0.0f};
  for (const Shape& scale : {Shape{}, Shape{6}}) {  // the quick loop and the general one
    const Tensor s = typed_tensor(DType::f32, scale, Values(count_of(scale), 0.5));
    const Tensor z = typed_tensor(DType::u8, scale, Values(count_of(scale), 100));
    CHECK(result_of("QuantizeLinear", {Tensor::of<float>(DType::f32, {1, 6}, x), s, z}) ==
          Values{100, 255, 0, 255, 0, 100});
  }
}

TEST_CASE("QuantizeLinear to 8-bit floats, saturating or not") {
  const Values x = {0, 1, -2, 449, 1e6, -1e6};
  for (DType type : {DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz})
    for (int64_t saturate : {0, 1}) {
      const Ran ran =
          run_graph(one_node("QuantizeLinear",
                             {typed_tensor(DType::f32, {6}, x), Tensor::scalar(2), quantised_tensor(type, {}, {0})},
                             {{"saturate", saturate}}),
                    best_isa());
      CHECK(ran.outputs[0].dtype() == type);
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(static_cast<const uint8_t*>(ran.outputs[0].data())[i] == to_float8(type, x[i] / 2, saturate != 0));
    }
}

TEST_CASE("QuantizeLinear divides in the precision that the node states, or in the scale's") {
  // 2049 is 2048 in float16, 1.001953125 in bfloat16 is 1: the quotients differ.
  const Tensor x = typed_tensor(DType::f32, {1}, {2049}), one = Tensor::scalar(1),
               half = typed_tensor(DType::f16, {}, {1});
  const Tensor zero = typed_tensor(DType::u16, {}, {0});
  CHECK(result_of("QuantizeLinear", {x, one, zero}) == Values{2049});
  CHECK(result_of("QuantizeLinear", {x, half, zero}) == Values{2048});
  CHECK(result_of("QuantizeLinear", {x, one, zero}, {{"precision", int64_t{10}}}) == Values{2048});
  CHECK(result_of("QuantizeLinear", {x, half, zero}, {{"precision", int64_t{1}}}) == Values{2049});
  CHECK(result_of("QuantizeLinear", {typed_tensor(DType::i32, {2}, {-7, 12}), Tensor::scalar(2)}) == Values{0, 6});
}

TEST_CASE("DequantizeLinear by its definition: every granularity and type") {
  for (const Granularity& g : kGranularities)
    for (DType type : {DType::i8, DType::u8, DType::i16, DType::u16, DType::i32, DType::i4, DType::u4, DType::f8e5m2})
      for (DType scale_type : {DType::f32, DType::f16, DType::bf16}) {
        CAPTURE(g.name);
        CAPTURE(name_of(type));
        const size_t n = count_of(kX), parameters = count_of(g.scale);
        Values x = random_values(static_cast<int64_t>(n), 3), zeros(parameters, 2);
        for (double& v : x) v = std::floor(std::abs(v) * 8);  // held by every type
        zeros[parameters / 2] = 3;
        const Values scales = some_scales(parameters);
        for (bool has_zero : {true, false}) {
          std::vector<Tensor> operands = {quantised_tensor(type, kX, x), typed_tensor(scale_type, g.scale, scales)};
          if (has_zero) operands.push_back(quantised_tensor(type, g.scale, zeros));
          const Ran ran = run_graph(one_node("DequantizeLinear", operands, g.attributes), best_isa());
          CHECK(ran.outputs[0].dtype() == scale_type);
          const Values y = ran.outputs[0].to_double();
          for (size_t i = 0; i < n; ++i)
            CHECK(y[i] == (x[i] - (has_zero ? zeros[g.parameter(i)] : 0)) * scales[g.parameter(i)]);
          CHECK(ran.plan->estimate.layers[0].cost.elementwise == static_cast<int64_t>(n) * (has_zero ? 2 : 1));
        }
      }
  const Ran ran = run_graph(one_node("DequantizeLinear", {typed_tensor(DType::i8, {1}, {3}), Tensor::scalar(0.5f)},
                                     {{"output_dtype", int64_t{16}}}),
                            best_isa());
  CHECK(ran.outputs[0].dtype() == DType::bf16);
  CHECK(ran.outputs[0].to_double() == Values{1.5});
}

TEST_CASE("a weight behind DequantizeLinear is the weight, and costs nothing") {
  // One table by two convolutions: counted once, then as shared.
  GraphMaker made;
  made.input("x", float_tensor({1, 2, 3, 3}, Values(18, 0.5)));
  made.constant("q", quantised_tensor(DType::i8, {2, 2, 1, 1}, {1, 2, 3, 4}));
  made.constant("s", typed_tensor(DType::f32, {2}, {0.5, 0.25}));
  const std::map<std::string, Attribute> rows = {{"axis", int64_t{0}}};
  made.node("DequantizeLinear", {"q", "s"}, "w1", rows).node("DequantizeLinear", {"q", "s"}, "w2", rows);
  made.node("Conv", {"x", "w1"}, "h").node("Conv", {"h", "w2"}, "y").output("y");
  const Ran ran = run_graph(made, best_isa());
  const EstimateTotals& totals = ran.plan->estimate.totals;
  CHECK(ran.plan->estimate.layers.size() == 2);
  CHECK(totals.params == 4);
  CHECK(totals.params_shared == 4);
  CHECK(totals.bytes_weights == 2 * 4 * 4);
  CHECK(totals.elementwise == 0);
  CHECK(ran.outputs[0].to_double()[0] == (1 * 0.5 * 0.75 + 2 * 0.5 * 0.875));
}

TEST_CASE("DynamicQuantizeLinear: range, zero point and values; counts of its function body") {
  const auto run = [](const Values& x) {
    GraphMaker made;
    made.input("x", float_tensor({static_cast<int64_t>(x.size())}, x));
    made.graph.nodes.push_back({"d", "DynamicQuantizeLinear", "", "", {"x"}, {"y", "scale", "zero"}, {}, 13});
    return run_graph(made.output("y").output("scale").output("zero"), best_isa());
  };
  const Ran ran = run({0, 2, -3, -2.5, 1.34, 0.5});  // ONNX's example
  CHECK(ran.outputs[0].to_double() == Values{153, 255, 0, 26, 221, 179});
  CHECK(ran.outputs[1].to_double()[0] == static_cast<double>(5.0f / 255.0f));
  CHECK(ran.outputs[2].to_double() == Values{153});
  CHECK(ran.outputs[1].shape().empty());
  // ReduceMin and ReduceMax of 6, Min, Max, Clip; Sub and Div twice, Clip, Round; QuantizeLinear of 6.
  const Cost& cost = ran.plan->estimate.layers[0].cost;
  CHECK(cost.comparisons == 2 * 5 + 1 + 1 + 2 + 2 * 6);
  CHECK(cost.elementwise == 2 * 6 + 2 + 2 + 2 + 1 + 5 * 6);
  const Ran positive = run({1, 2.55});  // the range is widened to hold 0
  CHECK(positive.outputs[0].to_double() == Values{100, 255});
  CHECK(positive.outputs[2].to_double() == Values{0});
  const Ran zeros = run({0, 0});
  CHECK(zeros.outputs[0].to_double() == Values{0, 0});
  CHECK(zeros.outputs[1].to_double() == Values{1});
  CHECK(run({}).outputs[1].to_double() == Values{1});
}

TEST_CASE("quantisation over time: parameters may vary along any other axis") {
  const Tensor one = Tensor::scalar(1), six = typed_tensor(DType::f32, {6}, Values(6, 1));
  const std::map<std::string, Attribute> axis = {{"axis", int64_t{1}}};
  CHECK(stream_of("QuantizeLinear", {kX}, {1}, axis, {one}).time_axes == std::vector<int>{1});
  CHECK(stream_of("QuantizeLinear", {kX}, {2}, axis, {six}).time_axes == std::vector<int>{2});
  CHECK(stream_of("QuantizeLinear", {kX}, {1}, axis, {six}).obstacle == "has scales that vary over time");
  CHECK(stream_of("DynamicQuantizeLinear", {kX}, {1}).obstacle == "takes its range from all time steps");
}

TEST_CASE("quantisation: operands and attributes that do not fit") {
  const Tensor x = typed_tensor(DType::f32, {2, 3}, Values(6)), q = typed_tensor(DType::i8, {2, 3}, Values(6));
  const Tensor one = Tensor::scalar(1), two = typed_tensor(DType::f32, {2}, {1, 1});
  const auto quantize = [&](std::vector<Tensor> more, std::map<std::string, Attribute> attributes = {}) {
    more.insert(more.begin(), x);
    return error_text(one_node("QuantizeLinear", more, std::move(attributes)));
  };
  const std::string who = "QuantizeLinear 'y': ";
  CHECK(quantize({two}) == who + "scale of shape 2 must have one element, or the 3 of axis 1 of 2x3");
  CHECK(quantize({two}, {{"axis", int64_t{2}}}).find("axis") != std::string::npos);
  CHECK(quantize({one, typed_tensor(DType::u8, {2}, {0, 0})}) ==
        who + "zero point of shape 2 must have the scale's shape scalar");
  CHECK(quantize({two}, {{"block_size", int64_t{-1}}}) == who + "block_size=-1 must be >= 0");
  CHECK(quantize({two}, {{"block_size", int64_t{2}}}) ==
        who + "scale of shape 2 with block_size=2 must have shape 2x2");
  CHECK(quantize({one}, {{"output_dtype", int64_t{1}}}) ==
        who + "output_dtype=1 must be an integer of 4, 8 or 16 bits or a float8");
  CHECK(quantize({one}, {{"precision", int64_t{3}}}) == who + "precision=3 must be float32, float16 or bfloat16");
  CHECK(quantize({one, one}) == who + "y_zero_point of type float32 must be an integer of 4, 8 or 16 bits or a float8");
  CHECK(quantize({one, typed_tensor(DType::u8, {}, {0})}, {{"output_dtype", int64_t{3}}}) ==
        who + "y_zero_point of type uint8 must be int8 as output_dtype says");
  CHECK(error_text(one_node("QuantizeLinear", {q, one})) ==
        who + "x of type int8 must be float32, float16, bfloat16 or int32");
  const auto dequantize = [&](const std::vector<Tensor>& operands, std::map<std::string, Attribute> attributes = {}) {
    return error_text(one_node("DequantizeLinear", operands, std::move(attributes)));
  };
  CHECK(dequantize({x, one}) ==
        "DequantizeLinear 'y': x of type float32 must be an integer of 4 to 32 bits or a float8");
  CHECK(dequantize({q, q}) == "DequantizeLinear 'y': x_scale of type int8 must be float32, float16 or bfloat16");
  CHECK(dequantize({q, one, typed_tensor(DType::u8, {}, {0})}) ==
        "DequantizeLinear 'y': x_zero_point of type uint8 must be int8 like x");
  CHECK(dequantize({q, one}, {{"output_dtype", int64_t{2}}}) ==
        "DequantizeLinear 'y': output_dtype=2 must be float32, float16 or bfloat16");
  CHECK(error_text(one_node("DynamicQuantizeLinear", {q})) ==
        "DynamicQuantizeLinear 'y': x of type int8 must be float32");
}

}  // namespace
