// No memory, at every allocation in turn: loading, planning, running, profiling and estimating then end with a clean
// error or with the right answer, and leave what there was before as it was.
#include <doctest/doctest.h>

#include <algorithm>
#include <new>

#include "tally/engine/onnx/writer.h"
#include "tally/layers/tally.h"
#include "tests/engine/temporary_folder.h"
#include "tests/layers/control_graphs.h"
#include "tests/layers/interpose.h"

using namespace tally;
using namespace tally::test;
using Value = Builder::Value;

namespace {

Value numbers(Builder& b, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) / 8 - 0.25f;
  return b.constant(shape, values);
}

Graph conv_net() {
  Builder b;
  Value x = b.input({1, 2, 6, 6});
  x = b.relu(b.batch_norm(b.conv(x, numbers(b, {4, 2, 3, 3})), numbers(b, {4}), numbers(b, {4}), numbers(b, {4}),
                          b.constant({4}, {1, 1, 1, 1})));
  x = b.flatten(b.max_pool(b.add(x, b.conv(x, numbers(b, {4, 4, 1, 1}))), {2, 2}));
  b.output(b.softmax(b.linear(x, numbers(b, {3, 36}), numbers(b, {3}))));
  return b.graph();
}

Graph lstm_net() {
  Builder b;
  const Value x = b.input({3, 1, 2});
  const Value h = b.lstm(x, numbers(b, {1, 16, 2}), numbers(b, {1, 16, 4}), numbers(b, {1, 32}));
  b.output(b.matmul(b.squeeze(h, {1}), numbers(b, {4, 2})));
  return b.graph();
}

Graph attention_net() {
  Builder b;
  const Value x = b.input({1, 4, 8});
  const auto head = [&](const std::vector<int64_t>& perm) {
    return b.transpose(b.reshape(b.matmul(x, numbers(b, {8, 8})), {1, 4, 2, 4}), perm);
  };
  const Value scores = b.mul(b.matmul(head({0, 2, 1, 3}), head({0, 2, 3, 1})), b.constant({1}, {0.5f}));
  b.output(b.matmul(b.softmax(scores), head({0, 2, 1, 3})));
  return b.graph();
}

/// Σ of x over a loop with an If in it.
Graph loop_net() {
  const Attribute twice = BodyMaker().node("Add", {"a", "a"}, "b").output("b").made();
  const Attribute same = BodyMaker().node("Identity", {"a"}, "c").output("c").made();
  Graph body = BodyMaker().input("i").input("cond").input("a").node("Identity", {"cond"}, "again").graph;
  body.nodes.push_back({"if", "If", "", "", {"cond"}, {"sum"}, {{"then_branch", twice}, {"else_branch", same}}, 17});
  body.outputs = {{"again", DType::undefined, {}}, {"sum", DType::undefined, {}}};
  body.sort_and_check_body();
  GraphMaker g;
  g.input("x", floats({1, 2, 3})).constant("n", number(3)).constant("true", truth(true));
  control(g, "Loop", {"n", "true", "x"}, {"y"}, {{"body", std::make_shared<const Graph>(body)}});
  g.graph.opsets[""] = 17;
  return g.graph;
}

using Bits = std::vector<std::byte>;

Bits outputs_of(const Context& context) {
  Bits bits;
  for (size_t i = 0; i < context.plan().outputs.size(); ++i) {
    const auto bytes = context.output_data(i);
    bits.insert(bits.end(), bytes.begin(), bytes.end());
  }
  return bits;
}

void set_inputs(Context& context) {
  for (size_t i = 0; i < context.plan().inputs.size(); ++i) {
    const auto bytes = context.input_data(i);
    const std::span<float> x(reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float));
    for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(k % 5) - 2;
  }
}

enum class End { well, clean_error, poor_error, other };

/// Runs f() with the n-th allocation failing; `happened`: there were as many.
template <class F>
End attempt(F f, int64_t n, bool lasting, bool& happened) {
  AllocationFailure failure(n, lasting);
  End end = End::well;
  try {
    f();
  } catch (const std::bad_alloc&) {
    end = End::clean_error;
  } catch (const Error& error) {
    const bool complete = !error.node.empty() && !error.found.empty() && error.code != ErrorCode::internal;
    end = complete ? End::clean_error : End::poor_error;
  } catch (...) {
    end = End::other;
  }
  happened = failure.happened();
  return end;
}

/// Every allocation of f() fails in turn, alone and with all that follow it. `after(ended_well)` each time.
template <class F, class After>
void fail_each(F f, After after) {
  for (const bool lasting : {false, true}) {
    int64_t errors = 0;
    bool happened = true;
    for (int64_t n = 1; happened; ++n) {
      const End end = attempt(f, n, lasting, happened);
      CAPTURE(n);
      CAPTURE(lasting);
      CHECK((end == End::well || end == End::clean_error));
      if (end != End::well) ++errors;
      after(end == End::well);
    }
    CHECK_MESSAGE(errors > 0, "nothing was allocated");
  }
}

bool skipped() {
  if (can_fail_allocations()) return false;
  MESSAGE("skipped: the thread sanitizer owns the allocator");
  return true;
}

struct Net {
  const char* name;
  Graph graph;
};
std::vector<Net> nets() {
  std::vector<Net> list;
  list.push_back({"conv", conv_net()});
  list.push_back({"lstm", lstm_net()});
  list.push_back({"attention", attention_net()});
  list.push_back({"loop", loop_net()});
  return list;
}

}  // namespace

TEST_CASE("no memory: reading, loading, planning, running and profiling end cleanly") {
  if (skipped()) return;
  const TemporaryFolder folder;
  for (const Net& net : nets()) {
    CAPTURE(net.name);
    const auto file = folder.path / net.name;
    write_onnx(net.graph, file);
    Bits found;
    const auto all = [&] {
      Context context(Model::load(file));
      set_inputs(context);
      context.run();
      found = outputs_of(context);
      profile(context, {.repeats = 1, .warmup = 0});
    };
    all();
    const Bits expected = found;
    fail_each(all, [&](bool well) {
      if (well) CHECK(found == expected);
    });
  }
}

TEST_CASE("no memory: an estimate ends cleanly") {
  if (skipped()) return;
  for (const Net& net : nets()) {
    CAPTURE(net.name);
    int64_t macs = 0;
    const auto all = [&] { macs = estimate(Model(net.graph)).totals.macs; };
    all();
    const int64_t expected = macs;
    fail_each(all, [&](bool well) {
      if (well) CHECK(macs == expected);
    });
  }
}

TEST_CASE("no memory: what is written is whole, or an error tells") {
  if (skipped()) return;
  const Graph graph = conv_net();
  std::string bytes;
  const auto all = [&] { bytes = to_onnx(graph); };
  all();
  const std::string expected = bytes;
  fail_each(all, [&](bool well) {
    if (well) CHECK(bytes == expected);
  });
}

TEST_CASE("no memory: a streamed model") {
  if (skipped()) return;
  Bits found;
  const Graph graph = lstm_net();
  const auto all = [&] {
    LoadOptions options;
    options.stream = true;
    Context context(Model(graph, options));
    set_inputs(context);
    context.step();
    context.step();
    found = outputs_of(context);
  };
  all();
  const Bits expected = found;
  fail_each(all, [&](bool well) {
    if (well) CHECK(found == expected);
  });
}

TEST_CASE("no memory for another shape: the context keeps the one that it has") {
  if (skipped()) return;
  Builder b;
  const Value x = b.named(b.input({2, 4}), "x");
  b.output(b.relu(b.linear(x, numbers(b, {3, 4}))));
  Graph graph = b.graph();
  graph.inputs[0].shape = std::vector<Dim>{{-1, "N"}, {4, ""}};
  const Tensor two = float_tensor({2, 4}, random_values(8, 1)), five = float_tensor({5, 4}, random_values(20, 2));
  const std::map<std::string, Tensor> first{{"x", two}}, second{{"x", five}};
  const Model model(graph);
  Context context(model);
  context.feed(first);
  context.run();
  const Bits expected = outputs_of(context);
  const auto plan = context.shared_plan();
  const auto replan = [&] {
    Context(Model(graph)).feed(second);  // of a model without the plan
    context.feed(second);
  };
  fail_each(replan, [&](bool well) {
    if (!well && context.shared_plan() == plan) {
      context.run();
      CHECK(outputs_of(context) == expected);
    }
    context.feed(first);
    context.run();
    CHECK(outputs_of(context) == expected);
  });
}
