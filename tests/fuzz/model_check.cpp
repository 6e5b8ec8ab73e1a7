#include "tests/fuzz/model_check.h"

#include <algorithm>
#include <cstring>

#include "tally/layers/tally.h"
#include "tests/cpu_time.h"
#include "tests/fuzz/dice.h"

namespace tally::test {

namespace {

constexpr size_t kMaxMemory = size_t{64} << 20;
constexpr int64_t kMaxMacs = 200'000;
/// Hundreds of times what a model within these limits takes, sanitizers included.
constexpr double kMostSeconds = 20;

void require(bool holds, const std::string& what) {
  if (!holds) throw BrokenPromise{what};
}

/// True where f() is refused, as it should be.
template <class F>
bool refused(const char* stage, F f) {
  try {
    f();
    return false;
  } catch (const Error& error) {
    const std::string told = std::string(stage) + ": " + error.what();
    require(!error.node.empty() && !error.found.empty() && !error.required.empty(), "incomplete error: " + told);
    require(error.code == ErrorCode::model || error.code == ErrorCode::limit, "error of a wrong kind: " + told);
    return true;
  }
}

void check_estimate(const Estimate& estimate) {
  for (const NodeEstimate& row : estimate.layers)
    for (const int64_t figure :
         {row.params, row.params_shared, row.buffers, row.constants, row.bytes_read, row.bytes_weights,
          row.bytes_written, row.output_elements, row.activation_elements, row.activation_elements_textbook,
          row.cost.macs, row.cost.macs_nopad, row.cost.macs_masked, row.cost.bias_additions, row.cost.comparisons,
          row.cost.elementwise, row.cost.special, row.cost.pool_operations, row.live_bytes})
      require(figure >= 0, "negative estimate of " + row.op + " '" + row.name + "'");
  const EstimateTotals& t = estimate.totals;
  for (const int64_t figure : {t.params,
                               t.macs,
                               t.macs_nopad,
                               t.macs_causal,
                               t.flops,
                               t.ops_fused,
                               t.comparisons,
                               t.elementwise,
                               t.special,
                               t.operations,
                               t.bytes_read,
                               t.bytes_weights,
                               t.bytes_written,
                               t.output_elements,
                               t.bytes_compulsory,
                               t.bytes_io,
                               t.activation_elements,
                               t.activation_elements_textbook,
                               t.peak_activation_bytes,
                               t.training_elements})
    require(figure >= 0, "negative total of an estimate");
  require(t.macs_nopad <= t.macs && t.macs_causal <= t.macs, "more MACs without padding or mask than with them");
}

/// Floats in [−2, 2] with some at the edges; integers small, so that many are indices in range; seldom neither.
void fill(DType dtype, std::byte* at, size_t bytes, Dice& dice) {
  const size_t width = static_cast<size_t>(std::max(8, bits_of(dtype))) / 8;
  for (size_t i = 0; i + width <= bytes; i += width) {
    const float real = dice.one_in(16) ? dice.real() : static_cast<float>(dice.below(1000)) / 250.0f - 2.0f;
    const int64_t integer = dice.one_in(16) ? dice.integer() : static_cast<int64_t>(dice.below(4));
    const double wide = real;
    const Half half = to_half(real);
    const BFloat16 bfloat = to_bfloat16(real);
    const uint8_t truth = integer & 1;
    const void* from = &integer;
    if (dtype == DType::f32) from = &real;
    if (dtype == DType::f64) from = &wide;
    if (dtype == DType::f16) from = &half;
    if (dtype == DType::bf16) from = &bfloat;
    if (dtype == DType::boolean) from = &truth;
    std::memcpy(at + i, from, std::min(width, sizeof integer));
  }
}

/// What is fed where the declared shapes do not suffice: open extents are small.
std::map<std::string, Tensor> made_inputs(const CompiledModel& model, Dice& dice) {
  constexpr int64_t kMostElements = 1 << 16;
  std::map<std::string, int64_t> named;
  std::map<std::string, Tensor> inputs;
  for (const ValueInfo& input : model.graph().inputs) {
    Shape shape(dice.below(4), 2);
    if (input.shape) {
      shape.clear();
      for (const Dim& dim : *input.shape) {
        const auto small = static_cast<int64_t>(1 + dice.below(3));
        shape.push_back(dim.value >= 0     ? dim.value
                        : dim.name.empty() ? small
                                           : named.emplace(dim.name, small).first->second);
      }
    }
    const DType dtype = input.dtype == DType::undefined ? DType::f32 : input.dtype;
    if (element_count(shape, "input '" + input.name + "'") > kMostElements)
      fail("input '" + input.name + "'", "shape " + to_string(shape), "must be smaller to be fed", ErrorCode::limit);
    Tensor tensor(dtype, shape);
    if (tensor.bytes() > 0) fill(dtype, static_cast<std::byte*>(tensor.mutable_data()), tensor.bytes(), dice);
    inputs.emplace(input.name, std::move(tensor));
  }
  return inputs;
}

void fill_inputs(Context& context, Dice& dice) {
  for (size_t i = 0; i < context.plan().inputs.size(); ++i) {
    if (context.plan().inputs[i].bound_by_value) continue;
    constexpr size_t kMostBytes = 1 << 16;  // the rest stays zero: making numbers takes longer than running them
    const std::span<std::byte> bytes = context.input_data(i);
    fill(context.plan().inputs[i].type.dtype, bytes.data(), std::min(bytes.size(), kMostBytes), dice);
  }
}

std::vector<std::vector<std::byte>> outputs_of(const Context& context) {
  std::vector<std::vector<std::byte>> outputs;
  for (size_t i = 0; i < context.plan().outputs.size(); ++i) {
    const std::span<const std::byte> bytes = context.output_data(i);
    outputs.emplace_back(bytes.begin(), bytes.end());
  }
  return outputs;
}

/// Runs, counts, and compares: every run from a reset on.
void check_run(Context& context) {
  context.reset();
  context.run();
  context.require_complete();
  const auto plain = outputs_of(context);
  const Profile found = profile(context, {.repeats = 1, .warmup = 0});
  require(!found.broken_law, found.broken_law.value_or(""));
  RunRecord counted = context.make_record(true, false);
  context.reset();
  context.run_recorded(counted);
  require(outputs_of(context) == plain, "counting, or a second run, changes an output");
  check_estimate(found.plan->estimate);
}

/// A context of the model with inputs set; null where it is refused.
std::unique_ptr<Context> made_context(const Model& model, uint32_t seed) {
  Dice dice(seed);
  std::unique_ptr<Context> context;
  refused("plan", [&] {
    auto made = std::make_unique<Context>(model);
    if (made->bound())
      fill_inputs(*made, dice);
    else
      made->feed(made_inputs(model, dice));
    context = std::move(made);
  });
  return context;
}

/// Of a fully declared model, with and without its weights.
void check_estimates(std::span<const std::byte> bytes, const Model& model, LoadOptions options) {
  if (!model.fully_declared()) return;
  Estimate with;
  if (refused("estimate", [&] { with = model.estimate(); })) return;
  check_estimate(with);
  options.weights = false;
  refused("estimate without weights", [&] {
    const Estimate without = Model::parse(bytes, options).estimate();
    require(without.totals.macs == with.totals.macs && without.totals.params == with.totals.params &&
                without.totals.bytes_compulsory == with.totals.bytes_compulsory &&
                without.totals.operations == with.totals.operations,
            "an estimate depends on the values of weights");
  });
}

void check_stream(std::span<const std::byte> bytes, LoadOptions options, uint32_t seed) {
  options.stream = true;
  refused("stream", [&] {
    const Model model = Model::parse(bytes, options);
    const std::unique_ptr<Context> context = made_context(model, seed);
    if (context == nullptr) return;
    check_run(*context);
    for (int round = 0; round < 2; ++round) {
      context->reset();
      for (int step = 0; step < 4; ++step) context->step();
    }
  });
}

uint32_t hash(std::span<const std::byte> bytes) {
  uint32_t h = 2166136261u;
  for (const std::byte b : bytes) h = (h ^ static_cast<uint32_t>(b)) * 16777619u;
  return h ^ h >> 15;
}

}  // namespace

Reached check_model(std::span<const std::byte> bytes) {
  const double begin = thread_cpu_seconds();
  const uint32_t seed = hash(bytes);
  LoadOptions options;
  options.max_memory = kMaxMemory;
  options.max_macs = kMaxMacs;
  options.isa = seed % 2 == 0 ? Isa::scalar : best_isa();
  options.rewrite = seed / 2 % 4 != 0;
  Reached reached = Reached::refused;
  refused("load", [&] {
    const Model model = Model::parse(bytes, options);
    check_estimates(bytes, model, options);
    const std::unique_ptr<Context> context = made_context(model, seed);
    if (context == nullptr) return;
    check_run(*context);
    reached = Reached::ran;
    if (seed / 8 % 2 == 0) check_stream(bytes, options, seed);
  });
  const double seconds = thread_cpu_seconds() - begin;
  require(seconds < kMostSeconds, text("takes ", seconds, " s of CPU time"));
  return reached;
}

}  // namespace tally::test
