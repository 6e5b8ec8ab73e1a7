// Laws of a run on whole nets: nothing allocated, the same bits for any number of threads, outputs that alias nothing,
// plans keyed by shapes and by shape-carrying values.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tally/layers/host_step.h"
#include "tally/layers/tally.h"
#include "tests/layers/interpose.h"

using namespace tally;

namespace {

Tensor random_tensor(Shape shape, uint32_t seed) {
  Tensor t(DType::f32, std::move(shape));
  uint32_t state = seed * 2654435761u + 1;
  for (float& x : t.mutable_values<float>()) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
  }
  return t;
}

Node make_node(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs,
               std::map<std::string, Attribute> attributes = {}) {
  Node node;
  node.name = outputs[0];
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.attributes = std::move(attributes);
  node.opset = 17;
  return node;
}

ValueInfo info(std::string name, std::vector<Dim> shape, DType dtype = DType::f32) {
  return {std::move(name), dtype, std::move(shape)};
}
Dim at(int64_t n) { return {n, ""}; }

/// Convolutions of several kinds, a residual, pooling and a classifier: every kernel family of a small ConvNet.
Graph conv_net(int64_t size) {
  Graph g;
  g.opsets[""] = 17;
  g.inputs = {info("x", {at(1), at(3), at(size), at(size)})};
  g.outputs = {info("y", {at(1), at(10)})};
  g.initializers["w1"] = random_tensor({16, 3, 3, 3}, 1);
  g.initializers["b1"] = random_tensor({16}, 2);
  g.initializers["w2"] = random_tensor({16, 1, 3, 3}, 3);
  g.initializers["w3"] = random_tensor({16, 16, 1, 1}, 4);
  g.initializers["w4"] = random_tensor({10, 16}, 5);
  g.initializers["b4"] = random_tensor({10}, 6);
  using Ints = std::vector<int64_t>;
  g.nodes = {
      make_node("Conv", {"x", "w1", "b1"}, {"c1"}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}),
      make_node("Relu", {"c1"}, {"r1"}),
      make_node("Conv", {"r1", "w2"}, {"c2"}, {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{16}}}),
      make_node("Conv", {"c2", "w3"}, {"c3"}),
      make_node("Add", {"c3", "r1"}, {"a3"}),
      make_node("Relu", {"a3"}, {"r3"}),
      make_node("GlobalAveragePool", {"r3"}, {"p"}),
      make_node("Flatten", {"p"}, {"f"}),
      make_node("Gemm", {"f", "w4", "b4"}, {"g"}, {{"transB", int64_t{1}}}),
      make_node("Softmax", {"g"}, {"y"}),
  };
  return g;
}

std::vector<float> run_once(const Model& model, const Tensor& x) {
  Context context(model);
  context.feed({{"x", x}});
  context.run();
  const std::span<const float> y = context.output<float>(0);
  return {y.begin(), y.end()};
}

}  // namespace

TEST_CASE("run: no allocation, no thread created, on one thread and on several") {
  if (!test::can_watch_allocations()) {
    MESSAGE("skipped: a sanitizer owns the allocator");
    return;
  }
  for (int threads : {1, 3}) {
    Context context(Model(conv_net(96), {.threads = threads}));
    context.feed({{"x", random_tensor({1, 3, 96, 96}, 9)}});
    test::AllocationWatch watch;
    context.run();
    context.run();
    CHECK(watch.allocations() == 0);
    CHECK(watch.frees() == 0);
    CHECK(watch.threads() == 0);
  }
  // The watch itself sees an allocation: a test that cannot fail is a defect.
  test::AllocationWatch watch;
  delete new std::vector<int>(100);
  CHECK(watch.allocations() >= 2);
}

TEST_CASE("run: the same bits for any number of threads, on every ISA") {
  const Tensor x = random_tensor({1, 3, 192, 192}, 10);
  for (Isa isa : built_isas()) {
    if (!usable(isa)) {
      MESSAGE("skipped: ", std::string(name_of(isa)), " is not usable here");
      continue;
    }
    const std::vector<float> one = run_once(Model(conv_net(192), {.threads = 1, .isa = isa}), x);
    for (int threads : {2, 3, 4}) {
      Model model(conv_net(192), {.threads = threads, .isa = isa});
      CHECK_MESSAGE(model.plan()->parallel, "the net is large enough to be shared");
      const std::vector<float> several = run_once(model, x);
      CHECK(std::memcmp(one.data(), several.data(), one.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("run: threads are left alone where they would cost more than they bring") {
  CHECK_FALSE(Model(conv_net(16), {.threads = 4}).plan()->parallel);
}

TEST_CASE("run: every ISA agrees, executed equals planned, gaps sum") {
  const Tensor x = random_tensor({1, 3, 33, 33}, 11);
  const std::vector<float> reference = run_once(Model(conv_net(33), {.isa = Isa::scalar, .rewrite = false}), x);
  for (Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    for (bool rewrite : {false, true}) {
      Model model(conv_net(33), {.isa = isa, .rewrite = rewrite});
      Context context(model);
      context.feed({{"x", x}});
      const Profile p = profile(context, {.repeats = 1, .warmup = 1});
      CHECK_MESSAGE(!p.broken_law, std::string(name_of(isa)), ": ", p.broken_law.value_or(""));
      CHECK(context.plan().isa == isa);
      for (size_t i = 0; i < reference.size(); ++i)
        CHECK(context.output<float>(0)[i] == doctest::Approx(reference[i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("run: outputs that are inputs, constants, views or duplicates are buffers of their own") {
  Graph g;
  g.opsets[""] = 17;
  g.inputs = {info("x", {at(2), at(3)})};
  g.initializers["k"] = random_tensor({4}, 1);
  g.initializers["shape"] = Tensor::of_int64({3, 2});
  g.nodes = {make_node("Reshape", {"x", "shape"}, {"v"}), make_node("Relu", {"x"}, {"r"}),
             make_node("Identity", {"r"}, {"r2"}), make_node("Identity", {"k"}, {"k2"})};
  g.outputs = {info("x", {at(2), at(3)}), info("v", {at(3), at(2)}), info("r", {at(2), at(3)}),
               info("r2", {at(2), at(3)}), info("k2", {at(4)})};
  Context context(Model(std::move(g)));
  const Tensor x = random_tensor({2, 3}, 3);
  context.feed({{"x", x}});
  context.run();
  const std::span<const float> in = context.input<float>("x");
  for (size_t i = 0; i < 6; ++i) {
    CHECK(context.output<float>(0)[i] == in[i]);
    CHECK(context.output<float>(1)[i] == in[i]);
    CHECK(context.output<float>(2)[i] == std::fmax(in[i], 0.0f));
    CHECK(context.output<float>(3)[i] == std::fmax(in[i], 0.0f));
  }
  for (size_t a = 0; a < 5; ++a) {
    CHECK(static_cast<const void*>(context.output<float>(a).data()) != static_cast<const void*>(in.data()));
    for (size_t b = 0; b < a; ++b) CHECK(context.output<float>(a).data() != context.output<float>(b).data());
  }
}

TEST_CASE("run: in place never overwrites what is still to be read") {
  // r is read by two: the first Relu may not overwrite it, nor may a view of it be lost.
  Graph g;
  g.opsets[""] = 17;
  g.inputs = {info("x", {at(1), at(64)})};
  g.initializers["shape"] = Tensor::of_int64({8, 8});
  g.initializers["back"] = Tensor::of_int64({1, 64});
  g.nodes = {make_node("Tanh", {"x"}, {"t"}),
             make_node("Reshape", {"t", "shape"}, {"v"}),
             make_node("Relu", {"t"}, {"r"}),
             make_node("Sigmoid", {"r"}, {"s"}),
             make_node("Reshape", {"v", "back"}, {"u"}),
             make_node("Sub", {"s", "u"}, {"y"})};
  g.outputs = {info("y", {at(1), at(64)})};
  Context context(Model(std::move(g)));
  const Tensor x = random_tensor({1, 64}, 4);
  context.feed({{"x", x}});
  context.run();
  for (size_t i = 0; i < 64; ++i) {
    const double t = std::tanh(static_cast<double>(x.values<float>()[i]));
    const double expected = 1 / (1 + std::exp(-std::max(t, 0.0))) - t;
    CHECK(context.output<float>(0)[i] == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("plan: keyed by shapes, and by the values of inputs that carry shapes") {
  Graph g;
  g.opsets[""] = 17;
  g.inputs = {info("x", {{-1, "N"}, at(6)}), info("shape", {at(2)}, DType::i64)};
  g.nodes = {make_node("Relu", {"x"}, {"r"}), make_node("Reshape", {"r", "shape"}, {"y"})};
  g.outputs = {{"y", DType::f32, std::nullopt}};
  Model model(std::move(g));
  CHECK(model.shape_carrying() == std::vector<std::string>{"shape"});
  CHECK_FALSE(model.fully_declared());
  Context context(model);
  CHECK_FALSE(context.bound());
  CHECK_THROWS_AS(context.plan(), Error);
  context.feed({{"x", random_tensor({4, 6}, 1)}, {"shape", Tensor::of_int64({3, 8})}});
  const auto first = context.shared_plan();
  CHECK(first->outputs[0].type.shape == Shape{3, 8});
  context.feed({{"x", random_tensor({4, 6}, 2)}, {"shape", Tensor::of_int64({8, 3})}});
  CHECK(context.shared_plan()->outputs[0].type.shape == Shape{8, 3});
  context.feed({{"x", random_tensor({2, 6}, 2)}, {"shape", Tensor::of_int64({12, 1})}});
  CHECK(context.shared_plan()->outputs[0].type.shape == Shape{12, 1});
  context.feed({{"x", random_tensor({4, 6}, 3)}, {"shape", Tensor::of_int64({3, 8})}});
  CHECK_MESSAGE(context.shared_plan() == first, "a repeated shape reuses its plan");
  context.feed({{"x", random_tensor({4, 6}, 4)}, {"shape", Tensor::of_int64({3, 8})}});
  CHECK(context.planning().made == 3);
  CHECK(context.planning().reused == 1);
  CHECK(context.planning().ns > 0);
}

namespace {

/// y = whether the run counted.
class CountsLayer final : public Layer {
 public:
  using Layer::Layer;
  std::vector<TensorType> infer(Operands in) const override { return {{DType::f32, in[0].shape}}; }
  Cost cost(Operands, std::span<const TensorType>) const override { return {}; }
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    return {{"host", {Layout::plain}, {Layout::plain}, 1, 0}};
  }
  void prepare(const Candidate&, Preparation& p) const override {
    const int64_t bytes = 4 * element_count(p.outputs()[0].shape);
    add_host_step(p, {p.input(0).buffer, p.output(0).buffer}, host_planned(bytes, 0, bytes), 1,
                  [bytes](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
                    for (int64_t i = 0; i < bytes / 4; ++i)
                      reinterpret_cast<float*>(at[1])[i] = tally != nullptr ? 1.0f : 0.0f;
                    if (!tally) return;
                    tally->bytes_loaded += bytes;
                    tally->bytes_stored += bytes;
                  });
  }
};

}  // namespace

TEST_CASE("run: steps are handed a tally only where the run counts") {
  Graph g;
  g.opsets[""] = 17;
  g.inputs = {info("x", {at(4)})};
  g.nodes = {make_node("Counts", {"x"}, {"y"})};
  g.outputs = {info("y", {at(4)})};
  const Registry layers{
      .make = [](const Node& node) -> std::unique_ptr<Layer> { return std::make_unique<CountsLayer>(node); },
      .rules = {},
      .knows = [](const Node&) { return true; }};
  Context context(CompiledModel(std::move(g), layers, {}));
  const auto counted = [&] { return context.output<float>(0)[0] == 1.0f; };
  context.run();
  CHECK_FALSE(counted());
  RunRecord timed = context.make_record(false, true);
  context.run_recorded(timed);
  CHECK_FALSE(counted());
  RunRecord record = context.make_record(true, false);
  context.run_recorded(record);
  CHECK(counted());
  CHECK(record.tallies[0].bytes_stored == 16);
  context.run_counting();
  CHECK(counted());
}

TEST_CASE("plans: a model keeps a few, the latest, and none beyond its memory") {
  const auto feed_all = [](Context& context, int64_t sizes) {
    std::vector<std::weak_ptr<const Plan>> plans;
    for (int64_t n = 1; n <= sizes; ++n) {
      context.feed({{"x", random_tensor({n, 256}, 1)}});
      plans.push_back(context.shared_plan());
    }
    return std::count_if(plans.begin(), plans.end(), [](const auto& plan) { return !plan.expired(); });
  };
  const auto net = [] {
    Graph g;
    g.opsets[""] = 17;
    g.inputs = {info("x", {{-1, "N"}, at(256)})};
    g.initializers["w"] = random_tensor({256, 256}, 1);
    g.nodes = {make_node("MatMul", {"x", "w"}, {"y"})};
    g.outputs = {{"y", DType::f32, std::nullopt}};
    return g;
  };
  const Model model(net());
  Context context(model);
  CHECK(feed_all(context, 40) == 8);
  // The plan in use stays, whoever else has planned since.
  const auto mine = context.shared_plan();
  Context other(model);
  feed_all(other, 20);
  context.feed({{"x", random_tensor({40, 256}, 1)}});
  CHECK(context.shared_plan() == mine);
  // 256 kB of weights a plan: two of them and the buffers fit.
  Context narrow(Model(net(), {.max_memory = 700'000}));
  CHECK(feed_all(narrow, 10) == 2);
}

TEST_CASE("limits: memory and MACs are refused before anything is allocated") {
  CHECK_THROWS_AS(Model(conv_net(4096), {.max_macs = 1000}).plan(), Error);
  try {
    Context context(Model(conv_net(512), {.max_memory = 100'000}));
    FAIL("a plan over the limit was made");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::limit);
  }
}
