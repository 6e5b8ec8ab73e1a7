// One model on several threads at once, a context each: the bits that one thread alone finds.
#include <doctest/doctest.h>

#include <thread>

#include "tally/layers/tally.h"

using namespace tally;
using Value = Builder::Value;

namespace {

constexpr int kUsers = 3, kRounds = 4;

Value numbers(Builder& b, const Shape& shape, int seed) {
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 7 + seed) % 13) / 16 - 0.375f;
  return b.constant(shape, values);
}

Graph conv_net() {
  Builder b;
  Value x = b.input({1, 3, 24, 24});
  x = b.relu(b.conv(x, numbers(b, {8, 3, 3, 3}, 1), numbers(b, {8}, 2)));
  x = b.max_pool(b.conv(x, numbers(b, {8, 8, 3, 3}, 3)), {2, 2});
  b.output(b.softmax(b.linear(b.flatten(x), numbers(b, {10, 8 * 19 * 19}, 4))));
  return b.graph();
}

Graph sequence_net() {
  Builder b;
  const Value x = b.input({6, 1, 5});
  const Value h = b.gru(x, numbers(b, {1, 24, 5}, 1), numbers(b, {1, 24, 8}, 2), numbers(b, {1, 48}, 3));
  b.output(b.matmul(b.squeeze(h, {1}), numbers(b, {8, 4}, 4)));
  return b.graph();
}

using Bits = std::vector<std::byte>;

void set_inputs(Context& context, int user, int round) {
  const auto bytes = context.input_data(0);
  const std::span<float> x(reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>((static_cast<int>(i) + 3 * user + round) % 11) / 8 - 0.5f;
}

void take_outputs(const Context& context, Bits& bits) {
  const auto bytes = context.output_data(0);
  bits.insert(bits.end(), bytes.begin(), bytes.end());
}

/// What each user finds: alone, one after the other, or all at once.
template <class Use>
std::vector<Bits> used(Use use, bool at_once) {
  std::vector<Bits> found(kUsers);
  std::vector<std::thread> threads;
  for (int user = 0; user < kUsers; ++user) {
    if (at_once)
      threads.emplace_back([&, user] { found[static_cast<size_t>(user)] = use(user); });
    else
      found[static_cast<size_t>(user)] = use(user);
  }
  for (std::thread& thread : threads) thread.join();
  return found;
}

}  // namespace

TEST_CASE("shared model: runs and profiles, each with one thread and with two") {
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    const Model model(conv_net(), {.threads = threads});
    const auto use = [&](int user) {
      Context context(model);
      Bits bits;
      for (int round = 0; round < kRounds; ++round) {
        set_inputs(context, user, round);
        context.run();
        take_outputs(context, bits);
        const Profile found = profile(context, {.repeats = 1, .warmup = 0});
        if (found.broken_law) bits.clear();
        take_outputs(context, bits);
      }
      return bits;
    };
    const std::vector<Bits> alone = used(use, false);
    CHECK(alone[0] != alone[1]);
    CHECK(used(use, true) == alone);
  }
}

TEST_CASE("shared model: steps of streams that know nothing of each other") {
  LoadOptions options;
  options.stream = true;
  const Model model(sequence_net(), options);
  const auto use = [&](int user) {
    Context context(model);
    Bits bits;
    for (int sequence = 0; sequence < 2; ++sequence) {
      context.reset();
      for (int step = 0; step < 6; ++step) {
        set_inputs(context, user, step);
        context.step();
        take_outputs(context, bits);
      }
    }
    return bits;
  };
  const std::vector<Bits> alone = used(use, false);
  CHECK(alone[0] != alone[1]);
  CHECK(used(use, true) == alone);
}

TEST_CASE("shared model: planning for other shapes while others run") {
  Graph graph = [] {
    Builder b;
    b.output(b.relu(b.linear(b.named(b.input({1, 16}), "x"), numbers(b, {24, 16}, 1))));
    return b.graph();
  }();
  graph.inputs[0].shape = std::vector<Dim>{{-1, "N"}, {16, ""}};
  const Model model(graph);
  const auto use = [&](int user) {
    Context context(model);
    Bits bits;
    for (int round = 0; round < 12; ++round) {
      context.feed({{"x", Tensor(DType::f32, {1 + (user + round) % 10, 16})}});
      set_inputs(context, user, round);
      context.run();
      take_outputs(context, bits);
      bits.resize(bits.size() + static_cast<size_t>(model.estimate({{"x", {1 + round % 3, 16}}}).totals.macs % 5));
    }
    return bits;
  };
  const std::vector<Bits> alone = used(use, false);
  CHECK(used(use, true) == alone);
}
