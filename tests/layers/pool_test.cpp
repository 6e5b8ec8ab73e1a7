#include "layer_run.h"

#include <algorithm>
#include <limits>

namespace {

using namespace tally;
using namespace tally::test;
using Ints = std::vector<int64_t>;

struct PoolCase {
  int64_t N = 1, C = 1, H = 1, W = 1;
  Ints kernel, strides = {1, 1}, dilations = {1, 1}, pads = {0, 0, 0, 0};
  bool ceil_mode = false, count_include_pad = false;
  std::string auto_pad = {};
};

struct PoolAnswer {
  Shape shape;
  std::vector<double> y;
  std::vector<int64_t> indices;
  int64_t taps = 0;  ///< inside the image
};

/// One axis by the definition: pads and outputs.
struct Axis {
  int64_t before, after, out;
};

Axis resolve(const PoolCase& c, size_t d) {
  const int64_t in = d == 0 ? c.H : c.W, k = (c.kernel[d] - 1) * c.dilations[d] + 1, s = c.strides[d];
  if (c.auto_pad == "SAME_UPPER" || c.auto_pad == "SAME_LOWER") {
    const int64_t out = (in + s - 1) / s, total = std::max<int64_t>(0, (out - 1) * s + k - in);
    const int64_t before = c.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    return {before, total - before, out};
  }
  const int64_t before = c.pads[d], after = c.pads[d + 2];
  int64_t out = (in + before + after - k) / s + 1;
  if (c.ceil_mode && (in + before + after - k) % s != 0 && out * s < in + before) ++out;
  return {before, after, out};
}

PoolAnswer pool_oracle(const PoolCase& c, const std::vector<double>& x, bool maximum, bool column_major = false) {
  const Axis v = resolve(c, 0), h = resolve(c, 1);
  PoolAnswer answer{{c.N, c.C, v.out, h.out}, {}, {}, 0};
  for (int64_t map = 0; map < c.N * c.C; ++map)
    for (int64_t oy = 0; oy < v.out; ++oy)
      for (int64_t ox = 0; ox < h.out; ++ox) {
        double best = -std::numeric_limits<double>::infinity(), sum = 0;
        int64_t index = 0, inside = 0, counted = 0;
        for (int64_t ky = 0; ky < c.kernel[0]; ++ky)
          for (int64_t kx = 0; kx < c.kernel[1]; ++kx) {
            const int64_t iy = oy * c.strides[0] - v.before + ky * c.dilations[0];
            const int64_t ix = ox * c.strides[1] - h.before + kx * c.dilations[1];
            counted += iy >= -v.before && iy < c.H + v.after && ix >= -h.before && ix < c.W + h.after;
            if (iy < 0 || iy >= c.H || ix < 0 || ix >= c.W) continue;
            ++inside;
            const double value = x[static_cast<size_t>((map * c.H + iy) * c.W + ix)];
            sum += value;
            if (value > best) {
              best = value;
              index = map * c.H * c.W + (column_major ? ix * c.H + iy : iy * c.W + ix);
            }
          }
        const int64_t count = c.count_include_pad ? counted : inside;
        answer.y.push_back(maximum ? best : count > 0 ? sum / static_cast<double>(count) : 0);
        answer.indices.push_back(index);
        answer.taps += inside;
      }
  return answer;
}

std::map<std::string, Attribute> attributes_of(const PoolCase& c, bool maximum) {
  std::map<std::string, Attribute> a{{"kernel_shape", c.kernel},
                                     {"strides", c.strides},
                                     {"dilations", c.dilations},
                                     {"ceil_mode", int64_t{c.ceil_mode}}};
  if (c.auto_pad.empty())
    a["pads"] = c.pads;
  else
    a["auto_pad"] = c.auto_pad;
  if (!maximum) a["count_include_pad"] = int64_t{c.count_include_pad};
  return a;
}

void check_pool(const PoolCase& c, Isa isa, bool maximum) {
  const std::vector<double> x = random_values(c.N * c.C * c.H * c.W, 7);
  const PoolAnswer expected = pool_oracle(c, x, maximum);
  GraphMaker g;
  g.input("x", float_tensor({c.N, c.C, c.H, c.W}, x));
  g.node(maximum ? "MaxPool" : "AveragePool", {"x"}, "y", attributes_of(c, maximum), 19).output("y");
  run_every_candidate(g, isa, [&](const Ran& ran) {
    CAPTURE(OneCandidate::wanted);
    CHECK(ran.outputs[0].shape() == expected.shape);
    if (maximum)
      CHECK(ran.outputs[0].to_double() == expected.y);
    else
      check_close(ran.outputs[0], expected.y, std::vector<double>(expected.y.size(), 1.0),
                  static_cast<double>(c.kernel[0] * c.kernel[1] + 1));
    const Cost& cost = ran.plan->estimate.layers[0].cost;
    const auto outputs = static_cast<int64_t>(expected.y.size()), window = c.kernel[0] * c.kernel[1];
    CHECK(cost.textbook);
    CHECK(cost.comparisons == (maximum ? outputs * (window - 1) : 0));
    CHECK(cost.pool_operations == (maximum ? outputs * window : 0));
    CHECK(cost.elementwise == (maximum ? 0 : outputs * window));
  });
}

const PoolCase kCases[] = {
    {.C = 6, .H = 28, .W = 28, .kernel = {2, 2}, .strides = {2, 2}},
    {.N = 2, .C = 17, .H = 9, .W = 11, .kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
    {.C = 3, .H = 7, .W = 19, .kernel = {2, 3}, .pads = {0, 2, 1, 0}},
    {.C = 5, .H = 12, .W = 13, .kernel = {3, 2}, .strides = {1, 3}, .dilations = {2, 3}, .pads = {2, 1, 0, 2}},
    {.C = 4, .H = 8, .W = 8, .kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .ceil_mode = true},
    {.C = 4, .H = 8, .W = 9, .kernel = {3, 3}, .strides = {2, 2}, .ceil_mode = true, .count_include_pad = true},
    {.C = 2,
     .H = 5,
     .W = 6,
     .kernel = {2, 2},
     .strides = {3, 3},
     .pads = {1, 1, 1, 1},
     .ceil_mode = true},  // a last window in the padding alone is none
    {.C = 3, .H = 10, .W = 7, .kernel = {3, 4}, .strides = {2, 2}, .auto_pad = "SAME_UPPER"},
    {.C = 3, .H = 10, .W = 7, .kernel = {4, 4}, .strides = {3, 2}, .auto_pad = "SAME_LOWER"},
    {.N = 2, .C = 33, .H = 6, .W = 5, .kernel = {5, 5}, .pads = {2, 2, 2, 2}, .count_include_pad = true},
    {.C = 1, .H = 4, .W = 4, .kernel = {1, 1}, .strides = {3, 3}},
    {.C = 2, .H = 3, .W = 3, .kernel = {2, 2}, .pads = {3, 3, 3, 3}},  // windows of padding alone: −∞ and 0
};

TEST_CASE("pooling: values, counts and costs, every ISA and layout") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (size_t i = 0; i < std::size(kCases); ++i) {
      CAPTURE(i);
      check_pool(kCases[i], isa, true);
      check_pool(kCases[i], isa, false);
    }
  }
}

Graph with_indices(const PoolCase& c, int64_t order) {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {c.N, c.C, c.H, c.W}));
  g.node("MaxPool", {"x"}, "y", attributes_of(c, true), 12).output("y").output("at");
  g.graph.nodes[0].outputs.push_back("at");
  g.graph.nodes[0].attributes["storage_order"] = order;
  return g.graph;
}

TEST_CASE("MaxPool: indices of the maxima, rows or columns first") {
  for (const PoolCase& c : {kCases[0], kCases[3], kCases[4]})
    for (const int64_t order : {0, 1}) {
      const std::vector<double> x = random_values(c.N * c.C * c.H * c.W, 3);
      const PoolAnswer expected = pool_oracle(c, x, true, order == 1);
      GraphMaker g;
      g.graph = with_indices(c, order);
      g.feeds["x"] = float_tensor({c.N, c.C, c.H, c.W}, x);
      const Ran ran = run_graph(g, best_isa());
      CHECK(ran.outputs[1].to_int64() == expected.indices);
      check_close(ran.outputs[0], expected.y, std::vector<double>(expected.y.size(), 1.0), 1);
      CHECK(ran.executed().bytes_loaded == 4 * expected.taps);
      CHECK(ran.executed().bytes_stored == 12 * static_cast<int64_t>(expected.y.size()));
    }
}

template <class T>
Tensor typed(DType type, const Shape& shape, const std::vector<double>& values, double factor) {
  Tensor t(type, shape);
  for (size_t i = 0; i < values.size(); ++i) t.mutable_values<T>()[i] = static_cast<T>(values[i] * factor);
  return t;
}

TEST_CASE("MaxPool: other number types") {
  const PoolCase& c = kCases[4];
  const Shape shape = {c.N, c.C, c.H, c.W};
  const std::vector<double> x = random_values(c.C * c.H * c.W, 5);
  for (const Tensor& in : {typed<int8_t>(DType::i8, shape, x, 100), typed<double>(DType::f64, shape, x, 1)}) {
    GraphMaker g;
    g.input("x", in).node("MaxPool", {"x"}, "y", attributes_of(c, true), 12).output("y");
    const Ran ran = run_graph(g, best_isa());
    CHECK(ran.outputs[0].to_double() == pool_oracle(c, in.to_double(), true).y);
  }
}

TEST_CASE("pooling over one and three axes") {
  const std::vector<double> x = random_values(2 * 3 * 24, 9);
  GraphMaker line;
  line.input("x", float_tensor({2, 3, 24}, x));
  line.node("AveragePool", {"x"}, "y", {{"kernel_shape", Ints{5}}, {"strides", Ints{3}}, {"pads", Ints{2, 1}}})
      .output("y");
  const PoolAnswer expected = pool_oracle(
      {.N = 2, .C = 3, .H = 1, .W = 24, .kernel = {1, 5}, .strides = {1, 3}, .pads = {0, 2, 0, 1}}, x, false);
  run_every_candidate(line, best_isa(), [&](const Ran& ran) {
    CHECK(ran.outputs[0].shape() == Shape{2, 3, expected.shape[3]});
    check_close(ran.outputs[0], expected.y, std::vector<double>(expected.y.size(), 1.0), 6);
  });
  GraphMaker cube;  // 2×3×4 elements a channel, all of them in one window
  cube.input("x", float_tensor({2, 3, 2, 3, 4}, x));
  cube.node("MaxPool", {"x"}, "y", {{"kernel_shape", Ints{2, 3, 4}}}).output("y");
  const Ran ran = run_graph(cube, best_isa());
  REQUIRE(ran.outputs[0].shape() == Shape{2, 3, 1, 1, 1});
  for (size_t map = 0; map < 6; ++map)
    CHECK(ran.outputs[0].to_double()[map] == *std::max_element(x.begin() + map * 24, x.begin() + (map + 1) * 24));
}

TEST_CASE("global pooling: any number of axes; a worked example") {
  for (const Shape& shape : {Shape{2, 5, 7, 9}, Shape{1, 20, 13}, Shape{1, 3, 2, 3, 4}, Shape{1, 64, 1, 1}}) {
    const int64_t maps = shape[0] * shape[1], pixels = element_count(shape) / maps;
    const std::vector<double> x = random_values(maps * pixels, 11);
    for (const bool maximum : {true, false}) {
      std::vector<double> expected;
      for (int64_t map = 0; map < maps; ++map) {
        double best = -2, sum = 0;
        for (int64_t i = 0; i < pixels; ++i) {
          best = std::max(best, x[static_cast<size_t>(map * pixels + i)]);
          sum += x[static_cast<size_t>(map * pixels + i)];
        }
        expected.push_back(maximum ? best : sum / static_cast<double>(pixels));
      }
      GraphMaker g;
      g.input("x", float_tensor(shape, x))
          .node(maximum ? "GlobalMaxPool" : "GlobalAveragePool", {"x"}, "y")
          .output("y");
      for (const Isa isa : usable_isas())
        run_every_candidate(g, isa, [&](const Ran& ran) {
          check_close(ran.outputs[0], expected, std::vector<double>(expected.size(), 1.0), static_cast<double>(pixels));
          const Cost& cost = ran.plan->estimate.layers[0].cost;
          CHECK(cost.elementwise == (maximum ? 0 : maps * pixels));
          CHECK(cost.comparisons == (maximum ? maps * (pixels - 1) : 0));
          CHECK(cost.textbook);
        });
    }
  }
}

TEST_CASE("LeNet-5's two max pools: 4,728 comparisons") {
  GraphMaker g;
  g.input("a", Tensor(DType::f32, {1, 6, 28, 28})).input("b", Tensor(DType::f32, {1, 16, 10, 10}));
  const std::map<std::string, Attribute> two{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  g.node("MaxPool", {"a"}, "y", two).node("MaxPool", {"b"}, "z", two).output("y").output("z");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.plan->estimate.totals.comparisons == 4728);  // 6·14·14·3 + 16·5·5·3
  CHECK(ran.plan->estimate.totals.operations == 4 * (6 * 14 * 14 + 16 * 5 * 5));
  CHECK(ran.plan->estimate.totals.activation_elements_textbook == 6 * 14 * 14 + 16 * 5 * 5);
}

TEST_CASE("AveragePool takes Pad over where what it divides by stays the same") {
  const std::vector<double> x = random_values(2 * 5 * 6, 13);
  const auto rows_of = [&](std::map<std::string, Attribute> pool, const std::string& mode) {
    GraphMaker g;
    g.input("x", float_tensor({1, 2, 5, 6}, x)).constant("pads", Tensor::of_int64({0, 0, 1, 2, 0, 0, 1, 1}));
    pool["kernel_shape"] = Ints{3, 3};
    g.node("Pad", {"x", "pads"}, "p", {{"mode", mode}}).node("AveragePool", {"p"}, "y", pool).output("y");
    const Ran rewritten = run_graph(g, best_isa()), plain = run_graph(g, best_isa(), false);
    check_close(rewritten.outputs[0], plain.outputs[0].to_double(),
                std::vector<double>(plain.outputs[0].to_double().size(), 1.0), 16);
    return rewritten.plan->rows.size();
  };
  CHECK(rows_of({}, "constant") == 1);
  CHECK(rows_of({{"count_include_pad", int64_t{1}}, {"pads", Ints{1, 1, 1, 1}}}, "constant") == 1);
  CHECK(rows_of({{"pads", Ints{1, 1, 1, 1}}}, "constant") == 2);  // its own padding is not counted, Pad's is
  CHECK(rows_of({}, "edge") == 2);
}

TEST_CASE("pooling: bad attributes name node, found and required") {
  const auto error_of = [](const std::string& op, std::map<std::string, Attribute> attributes, const Shape& x) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, x)).node(op, {"x"}, "y", std::move(attributes)).output("y");
    try {
      run_graph(g, Isa::scalar);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of("MaxPool", {}, {1, 1, 4, 4}) == "MaxPool 'y': no kernel_shape; must have the attribute kernel_shape");
  CHECK(error_of("MaxPool", {{"kernel_shape", Ints{2}}}, {1, 1, 4, 4}) ==
        "MaxPool 'y': kernel_shape of 1 values must have 2");
  CHECK(error_of("AveragePool", {{"kernel_shape", Ints{5, 5}}}, {1, 1, 4, 4}) ==
        "AveragePool 'y': dilated kernel extent 5 must fit the padded input extent 4");
  CHECK(error_of("MaxPool", {{"kernel_shape", Ints{2, 2}}, {"storage_order", int64_t{2}}}, {1, 1, 4, 4}) ==
        "MaxPool 'y': storage_order=2 must be 0 or 1");
  CHECK(error_of("MaxPool", {{"kernel_shape", Ints{2}}}, {4, 4}) == "MaxPool 'y': X of shape 4x4 must have rank >= 3");
}

}  // namespace
