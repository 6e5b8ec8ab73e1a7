#include "tally/layers/pointwise_kernel.h"

#include <string_view>

#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

struct UnaryKernel {
  std::string_view op, variant;
  UnaryOp kernel;
};

constexpr UnaryKernel kUnaryKernels[] = {
    {"Sqrt", "", UnaryOp::sqrt},
    {"Log", "", UnaryOp::log},
    {"Erf", "", UnaryOp::erf},
    {"Reciprocal", "", UnaryOp::reciprocal},
    {"Abs", "", UnaryOp::abs},
    {"Neg", "", UnaryOp::negate},
    {"LeakyRelu", "", UnaryOp::leaky},
    {"Elu", "", UnaryOp::elu},
    {"Selu", "", UnaryOp::elu},
    {"HardSigmoid", "", UnaryOp::hard_sigmoid},
    {"HardSwish", "", UnaryOp::hard_swish},
    {"Softplus", "", UnaryOp::softplus},
    {"Softsign", "", UnaryOp::softsign},
    {"Swish", "", UnaryOp::swish},
    {"Mish", "", UnaryOp::mish},
    {"Gelu", "none", UnaryOp::gelu},
    {"Gelu", "tanh", UnaryOp::gelu_tanh},
};

constexpr std::pair<double, UnaryOp> kPowers[] = {{2, UnaryOp::square},      {3, UnaryOp::cube},
                                                  {0.5, UnaryOp::sqrt},      {-0.5, UnaryOp::rsqrt},
                                                  {-1, UnaryOp::reciprocal}, {1, UnaryOp::copy}};

}  // namespace

std::optional<UnaryArgs> unary_kernel(const PointwiseRow& row, const PointwiseParameters& parameters, int64_t n) {
  for (const UnaryKernel& k : kUnaryKernels) {
    if (k.op != row.op || k.variant != row.variant) continue;
    UnaryArgs args;
    args.n = n;
    args.op = k.kernel;
    args.lo = static_cast<float>(parameters.alpha);
    args.hi = static_cast<float>(parameters.beta);
    if (k.kernel == UnaryOp::hard_swish) args.lo = 1 / 6.0f, args.hi = 0.5f;
    if (k.kernel == UnaryOp::elu) args.hi = k.op == "Selu" ? static_cast<float>(parameters.gamma) : 1.0f;
    return args;
  }
  return {};
}

std::optional<UnaryArgs> power_kernel(double exponent, int64_t n) {
  for (const auto& [power, kernel] : kPowers) {
    if (power != exponent) continue;
    UnaryArgs args;
    args.n = n;
    args.op = kernel;
    return args;
  }
  return {};
}

std::optional<BinaryOp> pair_kernel(const PointwiseRow& row) {
  const std::string_view op = row.op;
  if (op == "Max") return BinaryOp::max;
  if (op == "Min") return BinaryOp::min;
  if (op == "Mean") return BinaryOp::add;
  if (op == "PRelu") return BinaryOp::prelu;
  return {};
}

bool finite_at_zero(UnaryOp op) { return op != UnaryOp::log && op != UnaryOp::reciprocal && op != UnaryOp::rsqrt; }

void add_unary_step(Preparation& p, const UnaryArgs& args, int input, double cycles) {
  Planned planned = planned_unary(args, p.geometry());
  if (p.inputs()[static_cast<size_t>(input)].constant) std::swap(planned.loaded_activations, planned.loaded_weights);
  p.add_kernel<[](const KernelTable& t) { return t.unary; }>(
      args, {{offsetof(UnaryArgs, x), p.input(input).buffer}, {offsetof(UnaryArgs, y), p.output(0).buffer}}, planned,
      cycles);
}

}  // namespace tally
