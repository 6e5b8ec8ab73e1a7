#include "control_graphs.h"

using namespace tally;
using namespace tally::test;

namespace {

/// state s' = s + x; results s' and x·x.
BodyMaker running_sum() {
  BodyMaker b;
  b.input("s").input("x").node("Add", {"s", "x"}, "sum").node("Mul", {"x", "x"}, "square");
  return b.output("sum").output("sum").output("square");
}

std::vector<int64_t> ints(std::initializer_list<int64_t> values) { return values; }

}  // namespace

TEST_CASE("scan: states, slices and results along any axis, forward and in reverse") {
  const int64_t T = 4, R = 3, C = 2;
  for (const Isa isa : usable_isas())
    for (const int64_t in_axis : {0, 1, 2, -1})
      for (const int64_t out_axis : {0, 1, -1})
        for (const int64_t in_reverse : {0, 1})
          for (const int64_t out_reverse : {0, 1}) {
            CAPTURE(in_axis);
            CAPTURE(out_axis);
            CAPTURE(in_reverse);
            CAPTURE(out_reverse);
            Shape shape{R, C};
            const int64_t at = in_axis < 0 ? in_axis + 3 : in_axis;
            shape.insert(shape.begin() + at, T);
            const std::vector<double> x = random_values(T * R * C, 5);
            GraphMaker g;
            g.input("s0", float_tensor({R, C}, random_values(R * C, 6))).input("xs", float_tensor(shape, x));
            control(g, "Scan", {"s0", "xs"}, {"s", "sums", "squares"},
                    {{"body", running_sum().made()},
                     {"num_scan_inputs", int64_t{1}},
                     {"scan_input_axes", ints({in_axis})},
                     {"scan_input_directions", ints({in_reverse})},
                     {"scan_output_axes", ints({out_axis, 0})},
                     {"scan_output_directions", ints({out_reverse, 0})}});
            const Ran ran = run_graph(g, isa);
            const Shape strides = row_major_strides(shape);
            const int64_t out_at = out_axis < 0 ? out_axis + 3 : out_axis;
            Shape out_shape{R, C};
            out_shape.insert(out_shape.begin() + out_at, T);
            REQUIRE(ran.outputs[1].shape() == out_shape);
            REQUIRE(ran.outputs[2].shape() == Shape{T, R, C});
            const Shape out_strides = row_major_strides(out_shape);
            const std::vector<double> s = ran.outputs[0].to_double(), sums = ran.outputs[1].to_double(),
                                      squares = ran.outputs[2].to_double();
            for (int64_t r = 0; r < R; ++r)
              for (int64_t c = 0; c < C; ++c) {
                const auto offset = [&](int64_t t, int64_t axis, const Shape& st) {
                  Shape index{r, c};
                  index.insert(index.begin() + axis, t);
                  return static_cast<size_t>(index[0] * st[0] + index[1] * st[1] + index[2] * st[2]);
                };
                auto state = static_cast<float>(random_values(R * C, 6)[static_cast<size_t>(r * C + c)]);
                for (int64_t t = 0; t < T; ++t) {
                  const auto value = static_cast<float>(x[offset(in_reverse ? T - 1 - t : t, at, strides)]);
                  state += value;
                  CHECK(sums[offset(out_reverse ? T - 1 - t : t, out_at, out_strides)] == state);
                  CHECK(squares[static_cast<size_t>((t * R + r) * C + c)] == value * value);
                }
                CHECK(s[static_cast<size_t>(r * C + c)] == state);
              }
            const NodeEstimate& row = ran.plan->estimate.layers.at(0);
            CHECK(row.cost.elementwise == 2 * T * R * C);
            CHECK(row.bytes_read == 4 * T * R * C * 3);
            CHECK(row.bytes_written == 4 * T * R * C * 2);
          }
}

TEST_CASE("scan: an Elman cell of separate operators costs what an RNN costs") {
  const int64_t T = 6, B = 2, I = 5, H = 3;
  for (const Isa isa : usable_isas()) {
    GraphMaker g;
    g.constant("w", float_tensor({I, H}, random_values(I * H, 1)));
    g.input("h0", float_tensor({B, H}, random_values(B * H, 3)))
        .input("xs", float_tensor({T, B, I}, random_values(T * B * I, 4)));
    BodyMaker b;
    b.input("h").input("x").constant("r", float_tensor({H, H}, random_values(H * H, 2)));
    b.node("MatMul", {"x", "w"}, "xw").node("MatMul", {"h", "r"}, "hr").node("Add", {"xw", "hr"}, "sum");
    b.node("Tanh", {"sum"}, "next").output("next").output("next");
    control(g, "Scan", {"h0", "xs"}, {"h", "hs"}, {{"body", b.made()}, {"num_scan_inputs", int64_t{1}}});
    const Ran ran = run_graph(g, isa);
    const EstimateTotals& t = ran.plan->estimate.totals;
    CHECK(t.macs == T * B * (I * H + H * H));
    CHECK(t.params == I * H + H * H);
    CHECK(t.special == T * B * H);
    std::vector<double> h = random_values(B * H, 3);
    const std::vector<double> x = random_values(T * B * I, 4), w = random_values(I * H, 1), r = random_values(H * H, 2);
    const std::vector<double> found = ran.outputs[1].to_double();
    for (int64_t step = 0; step < T; ++step) {
      std::vector<double> next(h.size());
      for (int64_t n = 0; n < B; ++n)
        for (int64_t j = 0; j < H; ++j) {
          double sum = 0;
          for (int64_t i = 0; i < I; ++i)
            sum += x[static_cast<size_t>((step * B + n) * I + i)] * w[static_cast<size_t>(i * H + j)];
          for (int64_t i = 0; i < H; ++i) sum += h[static_cast<size_t>(n * H + i)] * r[static_cast<size_t>(i * H + j)];
          next[static_cast<size_t>(n * H + j)] = std::tanh(sum);
        }
      h = next;
      for (size_t k = 0; k < h.size(); ++k)
        CHECK(found[static_cast<size_t>(step * B * H) + k] == doctest::Approx(h[k]).epsilon(1e-5));
    }
  }
}

TEST_CASE("scan of opset 8: a batch, directions, and sequences of their own lengths") {
  for (const bool reverse : {false, true}) {
    GraphMaker g;
    g.input("lens", Tensor::of_int64({3, 1, 0})).input("s0", float_tensor({3, 1}, {100, 200, 300}));
    g.input("xs", float_tensor({3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9}));
    control(g, "Scan", {"lens", "s0", "xs"}, {"s", "sums", "squares"},
            {{"body", running_sum().made()}, {"num_scan_inputs", int64_t{1}}, {"directions", ints({reverse ? 1 : 0})}},
            8);
    for (const Isa isa : usable_isas()) {
      const Ran ran = run_graph(g, isa);
      CHECK(ran.outputs[0].to_double() ==
            (reverse ? std::vector<double>{106, 206, 300} : std::vector<double>{106, 204, 300}));
      CHECK(ran.outputs[1].shape() == Shape{3, 3, 1});
      CHECK(ran.outputs[2].to_double() == (reverse ? std::vector<double>{9, 4, 1, 36, 0, 0, 0, 0, 0}
                                                   : std::vector<double>{1, 4, 9, 16, 0, 0, 0, 0, 0}));
      CHECK(ran.plan->estimate.totals.elementwise == 2 * 4);
    }
  }
}

TEST_CASE("scan: nothing to scan") {
  GraphMaker g;
  g.input("s0", floats({1, 2})).input("xs", Tensor(DType::f32, {0, 2}));
  control(g, "Scan", {"s0", "xs"}, {"s", "sums", ""},
          {{"body", running_sum().made()}, {"num_scan_inputs", int64_t{1}}});
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_double() == std::vector<double>{1, 2});
  CHECK(ran.outputs[1].shape() == Shape{0, 2});
}

TEST_CASE("scan: errors name the node, what was found and what must be") {
  const auto made = [](const BodyMaker& b, std::map<std::string, Attribute> more, int64_t scanned = 1,
                       Shape second = {4, 2}) {
    GraphMaker g;
    g.input("s0", floats({1, 2}))
        .input("xs", Tensor(DType::f32, {4, 2}))
        .input("ys", Tensor(DType::f32, std::move(second)));
    more["body"] = b.made();
    more["num_scan_inputs"] = scanned;
    return error_of(control(g, "Scan", {"s0", "xs", "ys"}, {"s"}, std::move(more)));
  };
  const auto start = [] { return BodyMaker().input("s").input("x").input("y"); };
  const auto good = [&] { return start().node("Add", {"s", "x"}, "t").output("t"); };
  CHECK(made(good(), {}, 2) == "");
  CHECK(contains(made(good(), {}, 0), "Scan 'the Scan': num_scan_inputs=0 must be 1 to 3"));
  CHECK(contains(made(good(), {}, 4), "num_scan_inputs=4"));
  CHECK(contains(made(BodyMaker().input("s").output("s"), {}, 2), "a body of 1 inputs must have 3"));
  CHECK(contains(made(start(), {}, 2), "a body of 0 outputs must have at least 1"));
  CHECK(contains(made(good(), {}, 2, {5, 2}), "'ys' of length 5 must be 4"));
  CHECK(contains(made(good(), {}, 2, {}), "must have an axis to scan"));
  CHECK(contains(made(good(), {{"scan_input_axes", ints({0})}}, 2), "scan_input_axes of 1 values must have 2"));
  CHECK(contains(made(good(), {{"scan_input_axes", ints({0, 2})}}, 2), "axis"));
  CHECK(contains(made(good(), {{"scan_input_directions", ints({0, 7})}}, 2), "must be 0 (forward) or 1 (reverse)"));
  const BodyMaker grows = start().node("Concat", {"s", "x"}, "t", {{"axis", int64_t{0}}}).output("t");
  CHECK(contains(made(grows, {}, 2), "state 0 of float32 4 after a trip must be float32 2 as before"));
}
