#include "tools/input/sequence.h"

#include <doctest/doctest.h>

#include "tally/layers/tally.h"

using namespace tally;
using namespace tally::tools;
using Value = Builder::Value;

namespace {

Tensor tensor(const Shape& shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32, shape, values);
}

/// One step of a running sum: s' = s + x, y = 2·s'.
Model running_sum() {
  Builder b;
  const Value x = b.named(b.input({2}), "x"), s = b.named(b.input({2}), "s");
  const Value next = b.named(b.add(s, x), "next");
  b.output(b.named(b.add(next, next), "y"));
  b.output(next);
  return Model(b.graph());
}

std::vector<float> values_of(const Tensor& t) {
  const auto v = t.values<float>();
  return {v.begin(), v.end()};
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("steps of a step model: slices in, outputs fed back and stacked") {
  Context context(running_sum());
  Sequence sequence(context, {{"x", tensor({3, 2}, {1, 10, 2, 20, 3, 30})}, {"s", tensor({2}, {100, 0})}}, 0,
                    {"next=s"});
  CHECK(sequence.steps() == 3);
  for (int round = 0; round < 2; ++round) {
    sequence.run();
    CHECK(sequence.outputs()[0].shape() == Shape{3, 2});
    CHECK(values_of(sequence.outputs()[0]) == std::vector<float>{202, 20, 206, 60, 212, 120});
    CHECK(values_of(sequence.outputs()[1]) == std::vector<float>{101, 10, 103, 30, 106, 60});
  }
}

TEST_CASE("inputs without time stay, and the number of steps may be given") {
  Context context(running_sum());
  Sequence sequence(context, {{"x", tensor({2}, {1, 2})}, {"s", tensor({2}, {0, 0})}}, 4, {"next=s"});
  sequence.run();
  CHECK(values_of(sequence.outputs()[1]) == std::vector<float>{1, 2, 2, 4, 3, 6, 4, 8});
}

TEST_CASE("steps may lie in a first dimension of which the model holds one element") {
  Builder b;
  const Value x = b.named(b.input({1, 2}), "x");
  b.output(b.add(x, x));
  Context context(Model(b.graph()));
  Sequence sequence(context, {{"x", tensor({3, 2}, {1, 2, 3, 4, 5, 6})}});
  sequence.run();
  CHECK(sequence.outputs()[0].shape() == Shape{3, 1, 2});
  CHECK(values_of(sequence.outputs()[0]) == std::vector<float>{2, 4, 6, 8, 10, 12});
}

TEST_CASE("what contradicts is refused") {
  Context context(running_sum());
  const Tensor s = tensor({2}, {0, 0}), x3 = tensor({3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK(error_of([&] { Sequence(context, {{"x", x3}, {"s", s}}, 4); }).find("must be at least 4") != std::string::npos);
  CHECK(error_of([&] {
          Sequence(context, {{"x", tensor({3, 1}, {1, 2, 3})}, {"s", s}});
        }).find("over time") != std::string::npos);
  for (const char* item : {"nothing=s", "next=nothing", "next", "=s", ""})
    CHECK(error_of([&] { Sequence(context, {{"x", x3}, {"s", s}}, 0, {item}); }).find("--feed") != std::string::npos);
}

TEST_CASE("a streamed model takes whole sequences and gives whole outputs") {
  Builder b;
  const Value x = b.input({1, 4, 1});
  // y_t = x_t + y_(t−1): a linear recurrence of one unit.
  Builder::RecurrentOptions options;
  options.activations = {"Affine"};
  options.alpha = {1};
  options.beta = {0};
  const Value h = b.rnn(b.transpose(x, {1, 0, 2}), b.constant({1, 1, 1}, {1}), b.constant({1, 1, 1}, {1}), {}, options);
  b.output(b.transpose(b.squeeze(h, {1}), {1, 0, 2}));
  LoadOptions load;
  load.stream = true;
  Context context{Model(b.graph(), load)};
  const std::vector<Tensor> y = infer(context, {{context.plan().inputs[0].name, tensor({1, 4, 1}, {1, 2, 3, 4})}});
  CHECK(y[0].shape() == Shape{1, 4, 1});
  CHECK(values_of(y[0]) == std::vector<float>{1, 3, 6, 10});
}
