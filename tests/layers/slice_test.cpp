// Slice and Split, Expand and Tile: boxes of a tensor, against their definitions.
#include "tally/layers/slice.h"

#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

TEST_CASE("Slice: starts, ends and steps of an axis as ONNX reads them") {
  for (int64_t n = 0; n < 5; ++n)
    for (int64_t start = -7; start <= 7; ++start)
      for (int64_t end = -7; end <= 7; ++end)
        for (int64_t step : {-6, -3, -2, -1, 1, 2, 3, 6}) {
          // Numpy's rule, element by element.
          const auto bound = [&](int64_t at) {
            if (at < 0) at += n;
            return step > 0 ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
          };
          Ints wanted;
          int64_t first = bound(start);
          if (step < 0 && n > 0) first = std::clamp<int64_t>(start < 0 ? start + n : start, 0, n - 1);
          for (int64_t i = first; step > 0 ? i < bound(end) : i > bound(end); i += step) wanted.push_back(i);
          const AxisRange range = slice_range(start, end, step, n);
          Ints found;
          for (int64_t i = 0; i < range.count; ++i) found.push_back(range.start + i * range.step);
          CHECK(found == wanted);
        }
  CHECK(slice_range(1, INT64_MAX, 1, 4) == AxisRange{1, 1, 3});
  CHECK(slice_range(INT64_MAX, INT64_MIN, -1, 4) == AxisRange{3, -1, 4});
  CHECK(slice_range(INT64_MIN, INT64_MAX, INT64_MAX, 4).count == 1);
  CHECK(slice_range(INT64_MAX, INT64_MIN, INT64_MIN, 4).count == 1);
}

void check_slice(const Shape& shape, const Ints& axes, const Ints& starts, const Ints& ends, const Ints& steps,
                 DType type, Isa isa) {
  CAPTURE(to_string(shape));
  const Tensor x = counted(type, shape);
  GraphMaker g;
  g.input("x", x)
      .constant("s", Tensor::of_int64(starts))
      .constant("e", Tensor::of_int64(ends))
      .constant("a", Tensor::of_int64(axes))
      .constant("t", Tensor::of_int64(steps))
      .node("Slice", {"x", "s", "e", "a", "t"}, "y")
      .output("y");
  std::vector<AxisRange> ranges;
  for (int64_t extent : shape) ranges.push_back({0, 1, extent});
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto d = static_cast<size_t>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(shape.size()) : axes[i]);
    ranges[d] = slice_range(starts[i], ends[i], steps[i], shape[d]);
  }
  Shape expected;
  for (const AxisRange& range : ranges) expected.push_back(range.count);
  const Shape strides = row_major_strides(shape);
  run_every_candidate(g, isa, [&](const Ran& ran) {
    check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
      int64_t from = 0;
      for (size_t d = 0; d < at.size(); ++d) from += (ranges[d].start + at[d] * ranges[d].step) * strides[d];
      return from;
    });
    const NodeEstimate& e = ran.plan->estimate.layers[0];
    CHECK(e.bytes_read == static_cast<int64_t>(x.bytes()));
    CHECK(e.bytes_written == static_cast<int64_t>(ran.outputs[0].bytes()));
    CHECK(e.bytes_weights == 0);
    CHECK(e.operations() == 0);
  });
}

TEST_CASE("Slice: axes, negative steps, every element size, both layouts, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const DType type : kTypes) {
      check_slice({3, 4, 5}, {0, 2}, {1, 0}, {3, 4}, {1, 1}, type, isa);
      check_slice({3, 4, 5}, {-1, 1}, {-1, 3}, {-6, INT64_MIN}, {-2, -1}, type, isa);
      check_slice({7}, {0}, {INT64_MAX}, {INT64_MIN}, {-3}, type, isa);
    }
    check_slice({2, 19, 5, 4}, {1, 3}, {3, 1}, {INT64_MAX, 4}, {2, 1}, DType::f32, isa);
    check_slice({2, 19, 5, 4}, {1, 2}, {17, 4}, {0, -6}, {-1, -2}, DType::f32, isa);
    check_slice({3, 4}, {0}, {2}, {1}, {1}, DType::f32, isa);
    check_slice({0, 4}, {1}, {1}, {3}, {1}, DType::f32, isa);
  }
}

TEST_CASE("Slice: attributes before opset 10, default axes and steps, no-ops vanish") {
  const Tensor x = counted(DType::f32, {2, 3});
  GraphMaker old;
  old.input("x", x).node("Slice", {"x"}, "y", {{"starts", Ints{0, 1}}, {"ends", Ints{1, INT64_MAX}}}, 9).output("y");
  CHECK(whole(run_graph(old, best_isa()).outputs[0]) == Ints{1, 2});
  GraphMaker plain;
  plain.input("x", x).constant("s", Tensor::of_int64({1})).constant("e", Tensor::of_int64({2}));
  plain.node("Slice", {"x", "s", "e"}, "y").output("y");
  CHECK(whole(run_graph(plain, best_isa()).outputs[0]) == Ints{3, 4, 5});
  GraphMaker idle;
  idle.input("x", x).constant("s", Tensor::of_int64({0})).constant("e", Tensor::of_int64({INT64_MAX}));
  idle.node("Relu", {"x"}, "r").node("Slice", {"r", "s", "e"}, "t").node("Relu", {"t"}, "y").output("y");
  const Ran ran = run_graph(idle, best_isa());
  for (const PlanRow& row : ran.plan->rows) CHECK(row.op != "Slice");
}

TEST_CASE("Slice: bad operands") {
  const auto failing = [](const Ints& starts, const Ints& ends, const Ints& axes, const Ints& steps) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, {2, 3}))
        .constant("s", Tensor::of_int64(starts))
        .constant("e", Tensor::of_int64(ends))
        .constant("a", Tensor::of_int64(axes))
        .constant("t", Tensor::of_int64(steps))
        .node("Slice", {"x", "s", "e", "a", "t"}, "y")
        .output("y");
    return error_of(g);
  };
  CHECK(failing({0}, {1}, {0}, {0}) == "Slice 'y': step 0 on axis 0 must not be 0");
  CHECK(failing({0, 0}, {1, 1}, {1, -1}, {1, 1}) == "Slice 'y': axis -1 twice must be distinct");
  CHECK(failing({0}, {1}, {2}, {1}) == "Slice 'y': axis=2 must be in [-2, 2)");
  CHECK(failing({0, 1}, {1}, {0}, {1}) == "Slice 'y': 2 starts, 1 ends, 1 axes, 1 steps must be as many of each");
}

// ------------------------------------------------------------------------------------------------------------------
// Split

TEST_CASE("Split: parts along every axis, every element size, both layouts, every ISA") {
  for (const Isa isa : usable_isas())
    for (const DType type : kTypes)
      for (int64_t axis : {0, 1, 2, -2}) {
        const Shape shape{6, 21, 6};
        const auto cut = static_cast<size_t>(axis < 0 ? axis + 3 : axis);
        const Tensor x = counted(type, shape);
        GraphMaker g;
        const Ints parts{1, 0, shape[cut] - 1};
        g.input("x", x).constant("s", Tensor::of_int64(parts)).node("Split", {"x", "s"}, "a", {{"axis", axis}});
        g.graph.nodes[0].outputs = {"a", "b", "c"};
        g.output("a").output("b").output("c");
        run_every_candidate(g, isa, [&](const Ran& ran) {
          int64_t before = 0;
          for (size_t k = 0; k < 3; ++k) {
            Shape expected = shape;
            expected[cut] = parts[k];
            check_moved(ran.outputs[k], x, expected, [&](const Shape& at) {
              return (at[0] + (cut == 0 ? before : 0)) * 126 + (at[1] + (cut == 1 ? before : 0)) * 6 + at[2] +
                     (cut == 2 ? before : 0);
            });
            before += parts[k];
          }
        });
      }
}

TEST_CASE("Split: equal parts, a shorter last one, unwanted outputs, bad parts") {
  const auto split = [](int opset, std::map<std::string, Attribute> attributes, int64_t n,
                        std::vector<std::string> outputs) {
    GraphMaker g;
    g.input("x", counted(DType::f32, {n})).node("Split", {"x"}, "y", std::move(attributes), opset);
    g.graph.nodes[0].outputs = outputs;
    for (const std::string& name : outputs)
      if (!name.empty()) g.output(name);
    return g;
  };
  const Ran equal = run_graph(split(13, {}, 6, {"a", "b", "c"}), best_isa());
  CHECK(whole(equal.outputs[2]) == Ints{4, 5});
  const Ran shorter = run_graph(split(18, {{"num_outputs", int64_t{3}}}, 7, {"a", "b", "c"}), best_isa());
  CHECK(whole(shorter.outputs[0]) == Ints{0, 1, 2});
  CHECK(whole(shorter.outputs[2]) == Ints{6});
  const Ran old = run_graph(split(11, {{"split", Ints{2, 5}}}, 7, {"", "b"}), best_isa());
  CHECK(whole(old.outputs[0]) == Ints{2, 3, 4, 5, 6});
  CHECK(error_of(split(13, {}, 7, {"a", "b"})) == "Split 'y': axis 0 of extent 7 must be a multiple of its 2 parts");
  CHECK(error_of(split(11, {{"split", Ints{2, 6}}}, 7, {"a", "b"})) ==
        "Split 'y': parts of 8 in all must have the extent 7 of axis 0");
  CHECK(error_of(split(11, {{"split", Ints{-1, 8}}}, 7, {"a", "b"})) == "Split 'y': part of -1 must be >= 0");
  CHECK(error_of(split(18, {{"num_outputs", int64_t{1} << 40}}, 7, {"a"})) ==
        "Split 'y': num_outputs=1099511627776 must be 1 to 65536");
}

// --------------------------------------------------------------------------------------------------------- Expand and
// Tile

TEST_CASE("Expand: broadcasting, every element size, every ISA") {
  for (const Isa isa : usable_isas())
    for (const DType type : kTypes)
      for (const auto& [from, shape, to] :
           {std::tuple{Shape{3, 1}, Ints{2, 1, 6}, Shape{2, 3, 6}}, std::tuple{Shape{3, 1}, Ints{3, 4}, Shape{3, 4}},
            std::tuple{Shape{2, 3, 1, 5}, Ints{1}, Shape{2, 3, 1, 5}}, std::tuple{Shape{}, Ints{2, 2}, Shape{2, 2}},
            std::tuple{Shape{1, 4}, Ints{0, 4}, Shape{0, 4}}}) {
        const Tensor x = counted(type, from);
        GraphMaker g;
        g.input("x", x).constant("s", Tensor::of_int64(shape)).node("Expand", {"x", "s"}, "y").output("y");
        run_every_candidate(g, isa, [&, shape = from, expected = to](const Ran& ran) {
          check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
            int64_t offset = 0;
            const Shape strides = row_major_strides(shape);
            for (size_t d = 0; d < shape.size(); ++d)
              if (shape[d] != 1) offset += at[d + at.size() - shape.size()] * strides[d];
            return offset;
          });
        });
      }
  GraphMaker bad;
  bad.input("x", Tensor(DType::f32, {3}))
      .constant("s", Tensor::of_int64({4}))
      .node("Expand", {"x", "s"}, "y")
      .output("y");
  CHECK(error_of(bad) == "Expand 'y': shape 4 must broadcast with 3");
}

TEST_CASE("Tile: every element size, ranks beyond one copy, every ISA") {
  const auto check = [](const Shape& shape, const Ints& repeats, DType type, Isa isa) {
    const Tensor x = counted(type, shape);
    GraphMaker g;
    g.input("x", x).constant("r", Tensor::of_int64(repeats)).node("Tile", {"x", "r"}, "y").output("y");
    Shape expected = shape;
    for (size_t d = 0; d < shape.size(); ++d) expected[d] *= repeats[d];
    const Shape strides = row_major_strides(shape);
    run_every_candidate(g, isa, [&](const Ran& ran) {
      check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
        int64_t from = 0;
        for (size_t d = 0; d < at.size(); ++d) from += at[d] % shape[d] * strides[d];
        return from;
      });
    });
  };
  for (const Isa isa : usable_isas()) {
    for (const DType type : kTypes) {
      check({2, 3}, {3, 2}, type, isa);
      check({3, 1, 5}, {1, 4, 2}, type, isa);
      check({4}, {1}, type, isa);
    }
    check({2, 2, 2, 2, 2, 2}, {2, 3, 2, 2, 1, 2}, DType::f32, isa);
    check({2, 3}, {0, 2}, DType::f32, isa);
  }
  const auto failing = [](const Ints& repeats) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, {2, 3}))
        .constant("r", Tensor::of_int64(repeats))
        .node("Tile", {"x", "r"}, "y")
        .output("y");
    return error_of(g);
  };
  CHECK(failing({2}) == "Tile 'y': 1 repeats must be 2, one an axis");
  CHECK(failing({2, -1}) == "Tile 'y': repeats of -1 must be >= 0");
  CHECK(failing({int64_t{1} << 62, 1 << 20}).find("must fit 63 bits") != std::string::npos);
  CHECK(failing({int64_t{1} << 40, 1 << 20}).find("must have fewer than 2^59 elements") != std::string::npos);
}

}  // namespace
