// What a program does with an installed Tally: loads a model and runs it, builds one from C++, profiles both. Exits 0
// if every answer is as expected. Usage: consumer MODEL.onnx
#include <tally/tally.h>

#include <cmath>
#include <cstdio>
#include <span>
#include <vector>

namespace {

bool expect(bool holds, const char* what) {
  if (!holds) std::fprintf(stderr, "consumer: not so: %s\n", what);
  return holds;
}

/// LeNet-5 from a file: ten probabilities or scores, all finite, the same again.
bool run_file(const char* path) {
  auto model = tally::Model::load(path, {.threads = 1});
  tally::Context context(model);
  std::span<float> x = context.input<float>("input");
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) / 7.0f;
  context.run();
  std::span<const float> y = context.output<float>(0);
  const std::vector<float> first(y.begin(), y.end());
  bool good = expect(first.size() == 10, "ten classes");
  for (float value : first) good &= expect(std::isfinite(value), "finite scores");
  context.run();
  for (size_t i = 0; i < first.size(); ++i) good &= expect(y[i] == first[i], "the same bits in a second run");
  const tally::Estimate estimate = tally::estimate(model);
  good &= expect(estimate.totals.macs == 416520, "LeNet-5 has 416,520 MACs");
  return good;
}

/// A Linear layer y = x·Wᵀ + b without ONNX, counters included.
bool run_built() {
  tally::Builder b;
  const auto x = b.named(b.input({1, 3}), "x");
  const auto y = b.linear(x, b.constant({2, 3}, {1, 2, 3, 4, 5, 6}), b.constant({2}, {10, 20}));
  b.output(y);
  auto model = b.build({.threads = 1});
  tally::Context context(model);
  const float values[] = {1, 10, 100};
  std::span<float> in = context.input<float>("x");
  for (size_t i = 0; i < 3; ++i) in[i] = values[i];
  context.run();
  std::span<const float> out = context.output<float>(0);
  bool good = expect(out.size() == 2 && out[0] == 331 && out[1] == 674, "x·Wᵀ + b");
  const tally::Profile profile = tally::profile(context, {});
  good &= expect(profile.executed.macs == 6, "six executed MACs");
  return good;
}

bool refuses_nonsense() {
  try {
    tally::Model::load("no such file.onnx", {});
  } catch (const tally::Error& error) {
    return expect(!error.found.empty(), "an error says what was found");
  }
  return expect(false, "a missing file is an error");
}

}  // namespace

int main(int argc, char** argv) {
  if (!expect(argc == 2, "one argument, the model")) return 2;
  try {
    const bool good = run_file(argv[1]) & run_built() & refuses_nonsense();
    std::puts(good ? "consumer: all as expected" : "consumer: failed");
    return good ? 0 : 1;
  } catch (const tally::Error& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
  }
}
