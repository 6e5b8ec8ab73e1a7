// Max and average pooling over three and four axes: passes of the kernel, plain loops, indices.
#include <algorithm>
#include <limits>

#include "windows.h"

namespace {

using namespace tally;
using namespace tally::test;
using reference::Window;

double largest(const Window& w) {
  return w.values.empty() ? -std::numeric_limits<double>::infinity()
                          : *std::max_element(w.values.begin(), w.values.end());
}

double mean(const Window& w, bool count_padding) {
  double sum = 0;
  for (double v : w.values) sum += v;
  const int64_t count = count_padding ? w.counted : static_cast<int64_t>(w.values.size());
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

const std::vector<WindowCase> kVolumes[] = {
    {{.in = 6, .kernel = 2, .stride = 2}, {.in = 8, .kernel = 2, .stride = 2}, {.in = 10, .kernel = 2, .stride = 2}},
    {{.in = 5, .kernel = 3, .stride = 2, .begin = 1, .end = 1},
     {.in = 7, .kernel = 3, .stride = 2, .begin = 1, .end = 0},
     {.in = 19, .kernel = 3, .begin = 2, .end = 1}},
    {{.in = 7, .kernel = 2, .dilation = 3, .begin = 0, .end = 2, .ceil_mode = true},
     {.in = 6, .kernel = 3, .stride = 2, .begin = 1, .end = 1, .ceil_mode = true},
     {.in = 9, .kernel = 2, .stride = 3, .dilation = 2, .begin = 1, .end = 0, .ceil_mode = true}},
    {{.in = 2, .kernel = 2, .begin = 3, .end = 3},
     {.in = 3, .kernel = 1},
     {.in = 4, .kernel = 2, .begin = 2, .end = 2}},
    {{.in = 3, .kernel = 2}, {.in = 4, .kernel = 4}, {.in = 2, .kernel = 1}, {.in = 5, .kernel = 3, .stride = 2}},
};

TEST_CASE("pooling of volumes: values and counts, every ISA") {
  for (const Isa isa : usable_isas())
    for (const std::vector<WindowCase>& axes : kVolumes)
      for (const bool maximum : {true, false})
        for (const bool count_padding : {true, false}) {
          if (maximum && count_padding) continue;
          CAPTURE(name_of(isa));
          CAPTURE(maximum);
          const Shape shape = window_input(2, 3, axes);
          const std::vector<double> x = random_values(element_count(shape), 7);
          std::vector<double> expected;
          int64_t taps = 1;
          for (const WindowCase& a : axes) taps *= a.kernel;
          for (const Window& w : reference::windows(6, axes, x))
            expected.push_back(maximum ? largest(w) : mean(w, count_padding));
          auto attributes = window_attributes(axes);
          if (!maximum) attributes["count_include_pad"] = int64_t{count_padding};
          const GraphMaker g = one_node(maximum ? "MaxPool" : "AveragePool", {float_tensor(shape, x)}, attributes, 19);
          run_every_candidate(g, isa, [&](const Ran& ran) {
            CHECK(ran.outputs[0].shape() == window_output(2, 3, axes));
            if (maximum)
              CHECK(ran.outputs[0].to_double() == expected);
            else
              check_close(ran.outputs[0], expected, std::vector<double>(expected.size(), 1.0),
                          static_cast<double>(taps + 3));
            CHECK(ran.plan->rows[0].kernel == "pool");
            const auto outputs = static_cast<int64_t>(expected.size());
            CHECK(ran.plan->estimate.layers[0].cost.comparisons == (maximum ? outputs * (taps - 1) : 0));
          });
        }
}

TEST_CASE("MaxPool of volumes: indices, rows or columns first, other types") {
  for (const std::vector<WindowCase>& axes : {kVolumes[0], kVolumes[1], kVolumes[2]})
    for (const DType type : {DType::f32, DType::f64, DType::f16, DType::u8})
      for (const int64_t order : {0, 1}) {
        CAPTURE(name_of(type));
        const Shape shape = window_input(1, 2, axes);
        std::vector<double> x = random_values(element_count(shape), 3);
        if (type == DType::u8)
          for (double& v : x) v = std::floor(127 * (v + 1));
        const std::vector<Window> windows = reference::windows(2, axes, x);
        const int64_t image = element_count(shape) / 2, outputs = static_cast<int64_t>(windows.size()) / 2;
        std::vector<double> values;
        Ints indices;
        for (size_t o = 0; o < windows.size(); ++o) {
          const Window& w = windows[o];
          values.push_back(largest(w));
          const auto at = std::find(w.values.begin(), w.values.end(), values.back()) - w.values.begin();
          const std::vector<int64_t>& list = order == 1 ? w.column_major : w.row_major;
          indices.push_back(static_cast<int64_t>(o) / outputs * image + list[static_cast<size_t>(at)]);
        }
        auto attributes = window_attributes(axes);
        attributes["storage_order"] = order;
        GraphMaker g = one_node("MaxPool", {typed_tensor(type, shape, x)}, attributes, 12).output("at");
        g.graph.nodes[0].outputs.push_back("at");
        const Ran ran = run_graph(g, best_isa());
        CHECK(ran.outputs[0].to_double() == values);
        CHECK(ran.outputs[1].to_int64() == indices);
      }
}

}  // namespace
