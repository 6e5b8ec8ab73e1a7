// Gather, GatherElements, GatherND, ScatterElements, ScatterND, Compress: elements chosen by indices.
#include "moved.h"
#include "tally/engine/profile.h"

namespace {

using namespace tally;
using namespace tally::test;

Tensor indices_of(const Shape& shape, const Ints& values, DType type = DType::i64) {
  Tensor t(type, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::i64)
      t.mutable_values<int64_t>()[i] = values[i];
    else
      t.mutable_values<int32_t>()[i] = static_cast<int32_t>(values[i]);
  }
  return t;
}

int64_t wrapped(int64_t index, int64_t n) { return index < 0 ? index + n : index; }

void check_gather(const Shape& shape, int64_t axis, const Tensor& indices, DType type, bool constant, Isa isa) {
  CAPTURE(to_string(shape));
  CAPTURE(axis);
  const Tensor x = counted(type, shape);
  GraphMaker g;
  g.input("x", x);
  constant ? g.constant("i", indices) : g.input("i", indices);
  g.node("Gather", {"x", "i"}, "y", {{"axis", axis}}).output("y");
  const auto at_axis = static_cast<size_t>(wrapped(axis, static_cast<int64_t>(shape.size())));
  Shape expected(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(at_axis));
  expected.insert(expected.end(), indices.shape().begin(), indices.shape().end());
  expected.insert(expected.end(), shape.begin() + static_cast<std::ptrdiff_t>(at_axis) + 1, shape.end());
  const Shape strides = row_major_strides(shape), index_strides = row_major_strides(indices.shape());
  const Ints values = indices.to_int64();
  const Ran ran = run_graph(g, isa);
  check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
    int64_t from = 0, chosen = 0;
    const size_t rank = indices.shape().size();
    for (size_t d = 0; d < at.size(); ++d) {
      if (d < at_axis) from += at[d] * strides[d];
      if (d >= at_axis && d < at_axis + rank) chosen += at[d] * index_strides[d - at_axis];
      if (d >= at_axis + rank) from += at[d] * strides[d + 1 - rank];
    }
    return from + wrapped(values[static_cast<size_t>(chosen)], shape[at_axis]) * strides[at_axis];
  });
}

TEST_CASE("Gather: every axis, scalar and tensor indices, constant and fed, every element size, every ISA") {
  for (const Isa isa : usable_isas())
    for (const bool constant : {true, false})
      for (const DType index_type : {DType::i64, DType::i32}) {
        CAPTURE(name_of(isa));
        for (const DType type : kTypes)
          for (int64_t axis : {0, 1, 2, -1}) {
            check_gather({4, 5, 6}, axis, indices_of({}, {-1}, index_type), type, constant, isa);
            check_gather({4, 5, 6}, axis, indices_of({2, 3}, {0, -4, 3, 3, 1, 2}, index_type), type, constant, isa);
          }
        check_gather({9, 40}, 0, indices_of({70}, Ints(70, 8), index_type), DType::f32, constant, isa);
        check_gather({3, 0}, 0, indices_of({2}, {0, 1}, index_type), DType::f32, constant, isa);
        check_gather({3, 4}, 1, indices_of({0}, {}, index_type), DType::f32, constant, isa);
      }
  // Indices of no short pattern are looked up although they are constant.
  Ints scattered;
  for (int64_t i = 0; i < 200; ++i) scattered.push_back(i * i % 37);
  check_gather({37, 5}, 0, indices_of({200}, scattered), DType::f32, true, best_isa());
}

TEST_CASE("Gather: rows used of a table are its bytes, the table its parameters") {
  Ints ids{3, 1, 4, 1, 5};
  GraphMaker g;
  g.input("i", Tensor::of_int64(ids))
      .constant("w", counted(DType::f32, {100, 8}))
      .node("Gather", {"w", "i"}, "y")
      .output("y");
  const Ran ran = run_graph(g, best_isa());
  const NodeEstimate& e = ran.plan->estimate.layers[0];
  CHECK(e.params == 800);
  CHECK(e.constants == 0);
  CHECK(e.bytes_weights == 5 * 8 * 4);
  CHECK(e.bytes_read == 5 * 8);
  CHECK(e.bytes_written == 5 * 8 * 4);
  CHECK(ran.executed().bytes_loaded == 5 * 8 * 4 + 5 * 8);
  GraphMaker twice = g;
  twice.node("Gather", {"w", "i"}, "z", {{"axis", int64_t{0}}}).output("z");
  const Estimate both = run_graph(twice, best_isa()).plan->estimate;
  CHECK(both.totals.params == 800);
  CHECK(both.totals.params_shared == 800);
  // A table of fewer rows than indices is read whole, once.
  GraphMaker few;
  few.input("i", Tensor::of_int64(Ints(50, 1))).constant("w", counted(DType::f32, {2, 8}));
  few.node("Gather", {"w", "i"}, "y").output("y");
  CHECK(run_graph(few, best_isa()).plan->estimate.layers[0].bytes_weights == 2 * 8 * 4);
}

TEST_CASE("Gather: indices outside are an error at load, and never read outside in a run") {
  GraphMaker constant;
  constant.input("x", counted(DType::f32, {4, 2})).constant("i", Tensor::of_int64({4}));
  constant.node("Gather", {"x", "i"}, "y").output("y");
  CHECK(error_of(constant) == "Gather 'y': index 4 must be in [-4, 4)");
  GraphMaker fed;
  fed.input("x", counted(DType::f32, {4, 2})).input("i", Tensor::of_int64({4, -5, INT64_MAX, INT64_MIN}));
  fed.node("Gather", {"x", "i"}, "y").output("y");
  CHECK(whole(run_graph(fed, best_isa()).outputs[0]) == Ints{6, 7, 0, 1, 6, 7, 0, 1});
  GraphMaker empty;
  empty.input("x", Tensor(DType::f32, {0, 2}))
      .input("i", Tensor::of_int64({0}))
      .node("Gather", {"x", "i"}, "y")
      .output("y");
  CHECK(error_of(empty) == "Gather 'y': indices of shape 1 into an empty axis must be none");
  GraphMaker real;
  real.input("x", Tensor(DType::f32, {2}))
      .input("i", Tensor(DType::f32, {1}))
      .node("Gather", {"x", "i"}, "y")
      .output("y");
  CHECK(error_of(real) == "Gather 'y': indices of type float32 must be int32 or int64");
}

TEST_CASE("Gather: what an exporter makes of shapes melts away") {
  // Expand(0, Concat(1, Unsqueeze(Gather(Shape(x), 1)), 8)) → a constant.
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {28, 3, 5}))
      .constant("one", Tensor::of_int64({1}).reshaped({}))
      .constant("axes", Tensor::of_int64({0}))
      .constant("first", Tensor::of_int64({1}))
      .constant("last", Tensor::of_int64({8}))
      .constant("zero", Tensor::scalar(0));
  g.node("Shape", {"x"}, "s")
      .node("Gather", {"s", "one"}, "n")
      .node("Unsqueeze", {"n", "axes"}, "u")
      .node("Concat", {"first", "u", "last"}, "t", {{"axis", int64_t{0}}})
      .node("Expand", {"zero", "t"}, "y")
      .output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].shape() == Shape{1, 3, 8});
  CHECK(ran.plan->estimate.layers.empty());
}

TEST_CASE("GatherElements and GatherND: every element size") {
  for (const DType type : kTypes)
    for (int64_t axis : {0, 1, -1}) {
      const Shape shape{3, 4, 5}, index_shape{2, 3, 5};
      const auto d = static_cast<size_t>(wrapped(axis, 3));
      Ints values;
      for (int64_t i = 0; i < 30; ++i) values.push_back(i % (2 * shape[d]) - shape[d]);
      const Tensor x = counted(type, shape);
      GraphMaker g;
      g.input("x", x).input("i", indices_of(index_shape, values));
      g.node("GatherElements", {"x", "i"}, "y", {{"axis", axis}}).output("y");
      const Shape strides = row_major_strides(shape);
      check_moved(run_graph(g, best_isa()).outputs[0], x, index_shape, [&](const Shape& at) {
        Shape from = at;
        from[d] = wrapped(values[static_cast<size_t>(at[0] * 15 + at[1] * 5 + at[2])], shape[d]);
        return from[0] * strides[0] + from[1] * strides[1] + from[2];
      });
      GraphMaker nd;
      nd.input("x", x).input("i", indices_of({3, 2, 1}, {0, -1, 2, 1, 3, -4}));
      nd.node("GatherND", {"x", "i"}, "y", {{"batch_dims", int64_t{1}}}).output("y");
      const Ints rows{0, 3, 2, 1, 3, 0};
      check_moved(run_graph(nd, best_isa()).outputs[0], x, {3, 2, 5}, [&](const Shape& at) {
        return at[0] * 20 + rows[static_cast<size_t>(at[0] * 2 + at[1])] * 5 + at[2];
      });
    }
  const auto failing = [](const std::string& op, const Tensor& indices,
                          std::map<std::string, Attribute> attributes = {}) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, {3, 4}))
        .constant("i", indices)
        .node(op, {"x", "i"}, "y", std::move(attributes))
        .output("y");
    return error_of(g);
  };
  CHECK(failing("GatherElements", indices_of({1, 5}, Ints(5, 0))).find("must be within 3x4") != std::string::npos);
  CHECK(failing("GatherElements", indices_of({5}, Ints(5, 0))).find("must have rank 2") != std::string::npos);
  CHECK(failing("GatherElements", indices_of({1, 1}, {3})) == "GatherElements 'y': index 3 must be in [-3, 3)");
  CHECK(failing("GatherND", indices_of({1, 3}, {0, 0, 0})) == "GatherND 'y': indices of shape 1x3 must end in 1 to 2");
  CHECK(failing("GatherND", indices_of({1, 2}, {0, 4})) == "GatherND 'y': index 4 must be in [-4, 4)");
  CHECK(failing("GatherND", indices_of({1, 1}, {0}), {{"batch_dims", int64_t{1}}}) ==
        "GatherND 'y': indices of shape 1x1 must have extent 3 in dimension 0");
}

// --------------------------------------------------------------------------------------------------------------
// Scatter

TEST_CASE("ScatterElements and ScatterND: reductions on every number type, indices outside change nothing") {
  const std::map<std::string, Ints> wanted = {{"none", {9, 1, 2, 7}},
                                              {"add", {9, 1, 2, 16}},
                                              {"mul", {0, 1, 2, 126}},
                                              {"max", {9, 1, 2, 7}},
                                              {"min", {0, 1, 2, 3}}};
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::i32, DType::u8, DType::i64})
    for (const auto& [name, expected] : wanted)
      for (const bool nd : {false, true}) {
        const std::string reduction = name;  // clang 14 captures no structured binding
        CAPTURE(reduction);
        CAPTURE(name_of(type));
        GraphMaker g;
        const std::map<DType, int64_t> codes = {{DType::f32, 1}, {DType::u8, 2},   {DType::i32, 6},
                                                {DType::i64, 7}, {DType::f16, 10}, {DType::f64, 11}};
        g.input("x", counted(DType::f32, {4})).input("u", float_tensor({4}, {9, 6, 7, 5}));
        const Ints at{0, 3, -1, 4};  // the last lies outside
        g.input("i", indices_of(nd ? Shape{4, 1} : Shape{4}, at));
        g.node("Cast", {"x"}, "a", {{"to", codes.at(type)}}).node("Cast", {"u"}, "b", {{"to", codes.at(type)}});
        g.node(nd ? "ScatterND" : "ScatterElements", {"a", "i", "b"}, "y", {{"reduction", reduction}}, 18).output("y");
        LoadOptions options;
        options.isa = best_isa();
        Context context(CompiledModel(g.graph, registry(), options));
        context.feed(g.feeds);
        context.run();
        CHECK(whole(context.output_tensor(0)) == expected);
        const Profile p = profile(context, {.repeats = 1, .warmup = 0});
        CHECK_MESSAGE(!p.broken_law, p.broken_law.value_or(""));
        CHECK(p.rows.back().gap.bytes_stored.at("indices_outside") < 0);
      }
}

TEST_CASE("ScatterElements, ScatterND: rows, bytes, bad operands") {
  GraphMaker g;
  g.input("x", counted(DType::f32, {3, 2, 2}))
      .input("i", indices_of({2, 1}, {2, 0}))
      .input("u", counted(DType::f32, {2, 2, 2}));
  g.node("ScatterND", {"x", "i", "u"}, "y").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(whole(ran.outputs[0]) == Ints{4, 5, 6, 7, 4, 5, 6, 7, 0, 1, 2, 3});
  CHECK(ran.executed().bytes_loaded == 48 + 16 + 32);
  CHECK(ran.executed().bytes_stored == 48 + 32);
  CHECK(ran.plan->estimate.layers[0].bytes_written == 48);
  GraphMaker elements;
  elements.input("x", counted(DType::f32, {2, 3}))
      .input("i", indices_of({1, 2}, {1, 0}))
      .input("u", float_tensor({1, 2}, {8, 9}));
  elements.node("ScatterElements", {"x", "i", "u"}, "y", {{"axis", int64_t{1}}}).output("y");
  CHECK(whole(run_graph(elements, best_isa()).outputs[0]) == Ints{9, 8, 2, 3, 4, 5});
  const auto failing = [](const std::string& reduction, int opset, const Shape& updates, int64_t index = 0) {
    GraphMaker bad;
    bad.input("x", Tensor(DType::f32, {2, 3}))
        .constant("i", indices_of({1, 2}, {index, 0}))
        .input("u", Tensor(DType::f32, updates));
    bad.node("ScatterElements", {"x", "i", "u"}, "y", {{"reduction", reduction}}, opset).output("y");
    return error_of(bad);
  };
  CHECK(failing("max", 17, {1, 2}) == "ScatterElements 'y': reduction='max' must be none, add or mul");
  CHECK(failing("none", 17, {2, 2}) == "ScatterElements 'y': updates of shape 2x2 must be 1x2 like the indices");
  CHECK(failing("none", 17, {1, 2}, 2) == "ScatterElements 'y': index 2 must be in [-2, 2)");
}

// -------------------------------------------------------------------------------------------------------------
// Compress

TEST_CASE("Compress: a condition known at load, along every axis or none") {
  for (const DType type : kTypes)
    for (int64_t axis : {-1, 0, 1, 2}) {
      const Shape shape{150, 3, 2};
      const Tensor x = counted(type, shape);
      const int64_t n = axis < 0 ? 900 : shape[static_cast<size_t>(axis)];
      Tensor condition(DType::boolean, {n});
      Ints kept;
      for (int64_t i = 0; i < n; ++i) {
        condition.mutable_values<uint8_t>()[static_cast<size_t>(i)] = i % 7 < 2 || i * i % 5 == 1;
        if (i % 7 < 2 || i * i % 5 == 1) kept.push_back(i);
      }
      GraphMaker g;
      g.input("x", x).constant("c", condition);
      g.node("Compress", {"x", "c"}, "y",
             axis < 0 ? std::map<std::string, Attribute>{} : std::map<std::string, Attribute>{{"axis", axis}});
      g.output("y");
      Shape expected = axis < 0 ? Shape{static_cast<int64_t>(kept.size())} : shape;
      if (axis >= 0) expected[static_cast<size_t>(axis)] = static_cast<int64_t>(kept.size());
      check_moved(run_graph(g, best_isa()).outputs[0], x, expected, [&](const Shape& at) {
        if (axis < 0) return kept[static_cast<size_t>(at[0])];
        Shape from = at;
        from[static_cast<size_t>(axis)] = kept[static_cast<size_t>(at[static_cast<size_t>(axis)])];
        return from[0] * 6 + from[1] * 2 + from[2];
      });
    }
}

}  // namespace
