// Whole nets one time step at a time: the results of the whole sequence, tables that follow the position, state that
// the graph hands out and in, and the node that forbids it.
#include <doctest/doctest.h>
#if defined(__linux__)
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <cmath>

#include "tally/layers/tally.h"
#include "tests/layers/interpose.h"

using namespace tally;
using Value = Builder::Value;

namespace {

constexpr int64_t kSteps = 6, kInputs = 3, kUnits = 5;

std::vector<float> numbers(int64_t count, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 8) / 16777216.0f - 0.5f;
  }
  return values;
}

Value constant(Builder& b, const Shape& shape, uint32_t seed) {
  return b.constant(shape, numbers(element_count(shape), seed));
}

/// Position table + input → LSTM → linear: [T, 1, I] → [T, 1, 2].
Graph sequence_net() {
  Builder b;
  Value x = b.input({kSteps, 1, kInputs});
  x = b.add(x, constant(b, {kSteps, 1, kInputs}, 1));
  const Value h = b.lstm(x, constant(b, {1, 4 * kUnits, kInputs}, 2), constant(b, {1, 4 * kUnits, kUnits}, 3),
                         constant(b, {1, 8 * kUnits}, 4));
  const Value y = b.matmul(b.squeeze(h, {1}), constant(b, {kUnits, 2}, 5));
  b.output(y);
  return b.graph();
}

Context context_of(Graph graph, bool stream) {
  LoadOptions options;
  options.stream = stream;
  return Context(Model(std::move(graph), options));
}

std::vector<float> whole_run(const Graph& graph, const std::vector<float>& input) {
  Context context = context_of(graph, false);
  const auto x = context.input<float>(context.plan().inputs[0].name);
  std::copy(input.begin(), input.end(), x.begin());
  context.run();
  const auto y = context.output<float>(0);
  return {y.begin(), y.end()};
}

/// All steps of a net whose time runs along the first axis.
std::vector<float> stepped_run(Context& context, const std::vector<float>& input) {
  const auto x = context.input<float>(context.plan().inputs[0].name);
  std::vector<float> y;
  for (size_t at = 0; at < input.size(); at += x.size()) {
    std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(at), x.size(), x.begin());
    context.step();
    const auto step = context.output<float>(0);
    y.insert(y.end(), step.begin(), step.end());
  }
  return y;
}

void check_close(const std::vector<float>& got, const std::vector<float>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}

}  // namespace

TEST_CASE("a net streamed step by step gives what it gives at once, again after a reset") {
  const Graph graph = sequence_net();
  const std::vector<float> input = numbers(kSteps * kInputs, 9);
  const std::vector<float> expected = whole_run(graph, input);
  Context context = context_of(graph, true);
  REQUIRE(context.plan().timeline);
  CHECK(context.plan().timeline->steps == kSteps);
  CHECK(context.plan().timeline->bounded);  // the table ends
  CHECK(context.plan().inputs[0].type.shape == Shape{1, 1, kInputs});
  CHECK(context.plan().inputs[0].time_axis == 0);
  CHECK(context.plan().outputs[0].time_axis == 0);
  CHECK(context.plan().state_bytes >= 2 * kUnits * sizeof(float));
  for (int round = 0; round < 2; ++round) {
    context.reset();
    CHECK(context.position() == 0);
    check_close(stepped_run(context, input), expected);
    CHECK(context.position() == kSteps);
  }
}

TEST_CASE("contexts of one streamed model keep their own state") {
  LoadOptions options;
  options.stream = true;
  const Model model(sequence_net(), options);
  const std::vector<float> input = numbers(kSteps * kInputs, 9);
  Context a(model), b(model);
  const std::vector<float> first = stepped_run(a, input);
  CHECK(stepped_run(b, input) == first);
}

TEST_CASE("steps beyond a bounded timeline stay inside its tables") {
  Context context = context_of(sequence_net(), true);
  for (int64_t k = 0; k < 3 * kSteps; ++k) context.step();
  for (const float y : context.output<float>(0)) CHECK(std::isfinite(y));
}

TEST_CASE("a step allocates nothing and starts no thread") {
  if (!test::can_watch_allocations()) {
    MESSAGE("skipped: a sanitizer interposes the allocator itself");
    return;
  }
  Context context = context_of(sequence_net(), true);
  context.step();
  const test::AllocationWatch watch;
  for (int k = 0; k < 10; ++k) context.step();
  context.reset();
  CHECK(watch.allocations() == 0);
  CHECK(watch.frees() == 0);
  CHECK(watch.threads() == 0);
}

#if defined(__linux__)
TEST_CASE("a step makes no system call") {
  if (!test::can_watch_allocations()) {
    MESSAGE("skipped: a sanitizer makes calls of its own");
    return;
  }
  Context context = context_of(sequence_net(), true);
  context.step();
  // A child that may do nothing but read, write, return from signals and exit: any other call kills it.
  constexpr int kDone = 42, kNoStrictMode = 43;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(kNoStrictMode);
    for (int k = 0; k < 100; ++k) context.step();
    context.reset();
    syscall(SYS_exit, kDone);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoStrictMode) {
    MESSAGE("skipped: no strict seccomp here (emulators have none)");
    return;
  }
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == kDone);
}
#endif

TEST_CASE("state that the graph takes in and gives out is carried by step()") {
  Builder b;
  const Value x = b.input({kSteps, 1, kInputs});
  const Value h0 = b.input({1, 1, kUnits});
  const Value w = constant(b, {1, kUnits, kInputs}, 2), r = constant(b, {1, kUnits, kUnits}, 3);
  const std::vector<Value> out = b.node("RNN", {x, w, r, {}, {}, h0}, {{"hidden_size", kUnits}}, 2);
  b.output(out[0]);
  b.output(out[1]);
  const Graph graph = b.graph();
  const std::vector<float> input = numbers(kSteps * kInputs, 4), start = numbers(kUnits, 5);

  Context whole = context_of(graph, false);
  std::copy(input.begin(), input.end(), whole.input<float>(whole.plan().inputs[0].name).begin());
  std::copy(start.begin(), start.end(), whole.input<float>(whole.plan().inputs[1].name).begin());
  whole.run();
  const auto y = whole.output<float>(0), last = whole.output<float>(1);

  Context context = context_of(graph, true);
  REQUIRE(context.plan().timeline->carries.size() == 1);
  CHECK_FALSE(context.plan().timeline->bounded);
  std::copy(start.begin(), start.end(), context.input<float>(context.plan().inputs[1].name).begin());
  check_close(stepped_run(context, input), {y.begin(), y.end()});
  const auto h = context.output<float>(1);
  check_close({h.begin(), h.end()}, {last.begin(), last.end()});
}

TEST_CASE("what cannot be streamed names its node") {
  Builder b;
  const Value x = b.input({kSteps, 1, kInputs});
  const Value h = b.lstm(x, constant(b, {1, 4 * kUnits, kInputs}, 2), constant(b, {1, 4 * kUnits, kUnits}, 3));
  b.output(b.named(b.softmax(h, 0), "over_time"));
  try {
    context_of(b.graph(), true);
    FAIL("streamed");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::model);
    CHECK(error.node.find("over_time") != std::string::npos);
    CHECK(std::string(error.what()).find("time") != std::string::npos);
  }
}

TEST_CASE("a streamed plan's rows keep the laws of counting, and cost one step") {
  Context context = context_of(sequence_net(), true);
  ProfileOptions options;
  options.repeats = 1;
  const Profile p = profile(context, options);
  CHECK(p.broken_law.value_or("none") == "none");
  CHECK(p.executed.macs == 4 * (kInputs + kUnits) * kUnits + kUnits * 2);
  CHECK(p.plan->estimate.totals.macs == kSteps * p.executed.macs);
}
