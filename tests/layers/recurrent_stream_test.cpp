// Recurrent layers run a step at a time: the bits of the whole sequence, whoever keeps the state.
#include "recurrent_problem.h"
#include "tally/layers/builder.h"
#include "tally/layers/model.h"

namespace {

using namespace tally;
using namespace tally::test;

Context context_of(const GraphMaker& made, bool stream, Isa isa) {
  LoadOptions options;
  options.isa = isa;
  options.stream = stream;
  return Context(CompiledModel(made.graph, registry(), options));
}

/// Step `t` of a plain tensor along `axis`.
Tensor slice(const Tensor& whole, size_t axis, int64_t t) {
  Shape shape = whole.shape();
  int64_t outer = 1, inner = 1;
  for (size_t d = 0; d < axis; ++d) outer *= shape[d];
  for (size_t d = axis + 1; d < shape.size(); ++d) inner *= shape[d];
  const int64_t steps = shape[axis];
  shape[axis] = 1;
  Tensor step(whole.dtype(), shape);
  const auto bytes = static_cast<size_t>(bytes_of(whole.dtype(), inner));
  for (int64_t o = 0; o < outer; ++o)
    std::memcpy(static_cast<std::byte*>(step.mutable_data()) + static_cast<size_t>(o) * bytes,
                static_cast<const std::byte*>(whole.data()) + static_cast<size_t>(o * steps + t) * bytes, bytes);
  return step;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

/// Largest difference of values, 0 where the bits are the same.
double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> x = a.to_double(), y = b.to_double();
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

/// Streams the case and compares with the whole run: `bound` is 0 where the same loops run.
void check_streamed(const RecurrentOptions& o, Isa isa, double bound) {
  CAPTURE(std::string(name_of(o.kind)));
  CAPTURE(name_of(isa));
  const RecurrentCase c = make_recurrent(o);
  Context whole = context_of(c.made, false, isa);
  whole.feed(c.made.feeds);
  whole.run();
  Context stream = context_of(c.made, true, isa);
  const size_t axis = o.batch_first ? 1 : 0;
  std::map<std::string, Tensor> feeds = c.made.feeds;
  for (int round = 0; round < 2; ++round) {
    feeds = c.made.feeds;
    for (int64_t t = 0; t < o.T; ++t) {
      feeds["x"] = slice(c.made.feeds.at("x"), axis, t);
      stream.feed(feeds);
      RunRecord record = stream.make_record(true, false);
      stream.run_recorded(record);
      // The whole run's Y at t, and at the end its states.
      CHECK(distance(stream.output_tensor(0), slice(whole.output_tensor(0), axis, t)) <= bound);
      CHECK(record.tallies[0] == stream.plan().rows[0].planned.tally);
      CHECK(stream.plan().rows[0].planned.parts_add_up());
      if (!o.feed_initial) continue;
      feeds["h0"] = stream.output_tensor(1);
      if (o.kind == CellKind::lstm) feeds["c0"] = stream.output_tensor(2);
    }
    for (size_t i = 1; i < c.made.graph.outputs.size(); ++i)
      CHECK(distance(stream.output_tensor(i), whole.output_tensor(i)) <= bound);
    stream.reset();
  }
}

TEST_CASE("recurrent stream: step by step as the whole, from zero, a constant or a fed state") {
  for (const CellKind kind : {CellKind::elman, CellKind::lstm, CellKind::gru})
    for (const bool batch_first : {false, true})
      for (const bool initial : {false, true})
        for (const bool fed : {false, true}) {
          RecurrentOptions o{.kind = kind, .T = 9, .B = 2, .I = 3, .H = 5, .batch_first = batch_first};
          o.initial = initial;
          o.feed_initial = initial && fed;
          o.peepholes = initial;
          o.linear_before_reset = fed;
          o.dtype = DType::f64;
          check_streamed(o, Isa::scalar, 0);
          o.dtype = DType::f16;
          check_streamed(o, Isa::scalar, 0);
          o.dtype = DType::f32;
          for (const Isa isa : usable_isas()) check_streamed(o, isa, 1e-5);
        }
}

TEST_CASE("recurrent stream: state is counted as such, and contexts keep their own") {
  const RecurrentCase c = make_recurrent({.kind = CellKind::lstm, .T = 4, .B = 1, .I = 3, .H = 5, .dtype = DType::f64});
  const CompiledModel model(c.made.graph, registry(), {.isa = Isa::scalar, .stream = true});
  Context first(model), second(model);
  const Plan& plan = first.plan();
  CHECK(plan.state_bytes == 2 * 5 * sizeof(double));
  CHECK(plan.rows[0].gap.bytes_stored.at("state") == 2 * 5 * 8);
  CHECK(plan.rows[0].gap.bytes_loaded.at("state") > 0);
  const Tensor x0 = slice(c.made.feeds.at("x"), 0, 0), x1 = slice(c.made.feeds.at("x"), 0, 1);
  first.feed({{"x", x0}});
  first.step();
  const Tensor after_one = first.output_tensor(0);
  first.feed({{"x", x1}});
  first.step();
  second.feed({{"x", x0}});
  second.step();
  CHECK(same_bits(second.output_tensor(0), after_one));
  CHECK(!same_bits(first.output_tensor(0), after_one));
  first.reset();
  first.feed({{"x", x0}});
  first.step();
  CHECK(same_bits(first.output_tensor(0), after_one));
}

TEST_CASE("recurrent stream: a net with views, a linear layer and a table around its cells") {
  Builder b;
  const auto c = [&](const Shape& shape, uint32_t seed) {
    std::vector<double> v = random_values(element_count(shape), seed);
    for (double& value : v) value *= 0.25;
    return b.constant(float_tensor(shape, v));
  };
  const auto x = b.input({1, 6, 3});                        // batch, steps, features
  auto h = b.transpose(b.add(x, c({6, 3}, 1)), {1, 0, 2});  // a position table; steps first
  h = b.squeeze(b.lstm(h, c({1, 20, 3}, 2), c({1, 20, 5}, 3)), {1});
  h = b.gru(h, c({1, 12, 5}, 4), c({1, 12, 4}, 5), c({1, 24}, 6)).y;
  h = b.reshape(h, {6, 4});
  h = b.softmax(b.gemm(h, c({4, 2}, 7), c({2}, 8), {}));
  GraphMaker made;
  made.graph = b.graph({h});
  made.feeds["input_0"] = float_tensor({1, 6, 3}, random_values(18, 9));
  for (const Isa isa : usable_isas()) {
    Context whole = context_of(made, false, isa), stream = context_of(made, true, isa);
    whole.feed(made.feeds);
    whole.run();
    for (int64_t t = 0; t < 6; ++t) {
      stream.feed({{"input_0", slice(made.feeds["input_0"], 1, t)}});
      stream.step();
      CHECK(distance(stream.output_tensor(0), slice(whole.output_tensor(0), 0, t)) < 1e-6);
    }
  }
}

TEST_CASE("recurrent stream: what forbids it is named") {
  const RecurrentCase c = make_recurrent({.kind = CellKind::gru, .direction = "bidirectional"});
  CHECK_THROWS_WITH_AS(context_of(c.made, true, Isa::scalar),
                       doctest::Contains("GRU 'GRU': reverse reads the sequence from its end"), Error);
}

}  // namespace
