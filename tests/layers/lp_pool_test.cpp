#include "windows.h"

namespace {

using namespace tally;
using namespace tally::test;

double norm(const std::vector<double>& values, double p) {
  double sum = 0;
  for (double v : values) sum += std::pow(std::abs(v), p);
  return std::pow(sum, 1 / p);
}

const std::vector<WindowCase> kCases[] = {
    {{.in = 11, .kernel = 3, .stride = 2, .begin = 1, .end = 2}},
    {{.in = 7, .kernel = 2, .dilation = 2}, {.in = 9, .kernel = 3, .stride = 2, .begin = 1, .end = 1}},
    {{.in = 6, .kernel = 3, .stride = 2, .ceil_mode = true},
     {.in = 5, .kernel = 2, .stride = 3, .begin = 1, .ceil_mode = true}},
    {{.in = 4, .kernel = 2}, {.in = 5, .kernel = 3, .begin = 1, .end = 1}, {.in = 6, .kernel = 2, .stride = 2}},
};

TEST_CASE("LpPool: one to three axes, every p and type") {
  for (const std::vector<WindowCase>& axes : kCases)
    for (const int64_t p : {1, 2, 3})
      for (const DType type : {DType::f32, DType::f64, DType::f16}) {
        CAPTURE(p);
        CAPTURE(name_of(type));
        const Shape shape = window_input(2, 3, axes);
        const std::vector<double> x = random_values(element_count(shape), 5);
        std::vector<double> expected;
        for (const reference::Window& w : reference::windows(6, axes, x)) expected.push_back(norm(w.values, p));
        auto attributes = window_attributes(axes);
        attributes["p"] = p;
        const Ran ran = run_graph(one_node("LpPool", {typed_tensor(type, shape, x)}, attributes, 18), best_isa());
        CHECK(ran.outputs[0].shape() == window_output(2, 3, axes));
        // Rounded once: half a unit in the last place, in units of 2^-24.
        const double rounding = type == DType::f16 ? 8192 : 1;
        check_close(ran.outputs[0], expected, expected, rounding);
        int64_t taps = 1;
        for (const WindowCase& a : axes) taps *= a.kernel;
        const Cost& cost = ran.plan->estimate.layers[0].cost;
        const auto outputs = static_cast<int64_t>(expected.size());
        CHECK(cost.textbook);
        CHECK(cost.elementwise == outputs * taps);
        CHECK(cost.special == (p == 1 ? 0 : p == 2 ? outputs : outputs * (taps + 1)));
      }
}

TEST_CASE("LpPool: p is a real number in opset 1, and 2 unless given") {
  const Tensor x = float_tensor({1, 1, 2}, {3, 4});
  CHECK(result_of("LpPool", {x}, {{"kernel_shape", Ints{2}}}) == std::vector<double>{5});
  const double y = result_of("LpPool", {x}, {{"kernel_shape", Ints{2}}, {"p", 1.5f}}, 1)[0];
  CHECK(std::abs(y - norm({3, 4}, 1.5)) < 1e-6);
}

TEST_CASE("LpPool: auto_pad") {
  for (const char* name : {"SAME_UPPER", "SAME_LOWER"}) {
    const std::vector<double> x = random_values(6, 3);
    const bool upper = name == std::string("SAME_UPPER");
    const std::vector<WindowCase> axes = {{.in = 6, .kernel = 2, .begin = upper ? 0 : 1, .end = upper ? 1 : 0}};
    std::vector<double> expected;
    for (const reference::Window& w : reference::windows(1, axes, x)) expected.push_back(norm(w.values, 2));
    const Ran ran = run_graph(
        one_node("LpPool", {float_tensor({1, 1, 6}, x)}, {{"kernel_shape", Ints{2}}, {"auto_pad", std::string(name)}}),
        best_isa());
    check_close(ran.outputs[0], expected, expected, 1);
  }
}

TEST_CASE("GlobalLpPool: the whole image is one window") {
  for (const Shape& shape : {Shape{2, 3, 5}, Shape{2, 3, 4, 5}, Shape{2, 3, 2, 3, 4}})
    for (const int64_t p : {1, 2, 4}) {
      const std::vector<double> x = random_values(element_count(shape), 6);
      const auto pixels = static_cast<long>(x.size() / 6);
      std::vector<double> expected;
      for (long map = 0; map < 6; ++map)
        expected.push_back(norm({x.begin() + map * pixels, x.begin() + (map + 1) * pixels}, static_cast<double>(p)));
      const Ran ran = run_graph(one_node("GlobalLpPool", {float_tensor(shape, x)}, {{"p", p}}), best_isa());
      check_close(ran.outputs[0], expected, expected, 1);
      CHECK(ran.outputs[0].shape().size() == shape.size());
      CHECK(ran.plan->estimate.layers[0].cost.elementwise == element_count(shape));
    }
}

TEST_CASE("LpPool: errors name node, found and required") {
  const Tensor x(DType::f32, {1, 1, 4, 4});
  CHECK(error_text(one_node("LpPool", {x})) == "LpPool 'y': no kernel_shape; must have the attribute kernel_shape");
  CHECK(error_text(one_node("LpPool", {x}, {{"kernel_shape", Ints{2, 2}}, {"p", int64_t{0}}})) ==
        "LpPool 'y': p=0 must be > 0");
  CHECK(error_text(one_node("LpPool", {x}, {{"kernel_shape", Ints{2}}})) ==
        "LpPool 'y': kernel_shape of 1 values must have 2");
  CHECK(error_text(one_node("LpPool", {x}, {{"kernel_shape", Ints{int64_t{1} << 40, 2}}})) ==
        "LpPool 'y': kernel_shape[0]=1099511627776 must be 1 to 1048576");
  CHECK(error_text(one_node("LpPool", {Tensor(DType::i32, {1, 1, 4})}, {{"kernel_shape", Ints{2}}})) ==
        "LpPool 'y': X of type int32 must be float16, bfloat16, float32 or float64");
  // A window of 2^40 taps around four elements: within its extents, beyond any limit of work.
  const Ints huge(2, 1 << 20), pads(4, 1 << 20);
  CHECK(error_text(one_node("LpPool", {x}, {{"kernel_shape", huge}, {"pads", pads}})) != "no error");
}

TEST_CASE("LpPool: one time step at a time") {
  const auto obstacle = [](std::map<std::string, Attribute> attributes, int axis) {
    return stream_of("LpPool", {{1, 2, 6, 5}}, {axis}, std::move(attributes)).obstacle;
  };
  CHECK(obstacle({{"kernel_shape", Ints{1, 3}}}, 2) == "");
  CHECK(obstacle({{"kernel_shape", Ints{2, 3}}}, 2) == "kernel 2 spans time steps");
  CHECK(obstacle({{"kernel_shape", Ints{2, 3}}}, 1) == "");
  CHECK(stream_of("GlobalLpPool", {{1, 2, 6}}, {2}).obstacle == "reduces over time");
}

}  // namespace
