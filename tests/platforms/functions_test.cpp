// The functions of unary_ops.inc beside exp, tanh and sigmoid, on every usable ISA: their error at every exponent,
// special values, counts at every length.
#include <bit>
#include <cmath>
#include <limits>

#include "kernel_check.h"
#include "tally/platforms/kernels/planned_map.h"
#include "tests/reference/flushing.h"

using namespace tally;
using namespace tally::test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// |y − truth| must be at most `ulps` of the truth and `per_x`·|x| + `fixed` besides (functions.h), `per_x` with
/// `smallest` times the smallest number of the instruction set.
struct Bound {
  UnaryOp op;
  const char* name;
  float lo, hi;
  double ulps, per_x, fixed;
  int smallest = 0;
};

const Bound kBounds[] = {
    {UnaryOp::log, "log", 0, 0, 2.5, 0, 0},
    {UnaryOp::erf, "erf", 0, 0, 2.5, 0, 0},
    {UnaryOp::sqrt, "sqrt", 0, 0, 0.5, 0, 0},
    {UnaryOp::reciprocal, "reciprocal", 0, 0, 0.5, 0, 0},
    {UnaryOp::rsqrt, "rsqrt", 0, 0, 1.5, 0, 0},
    {UnaryOp::square, "square", 0, 0, 0.5, 0, 0},
    {UnaryOp::cube, "cube", 0, 0, 1.5, 0, 0, 1},
    {UnaryOp::abs, "abs", 0, 0, 0, 0, 0},
    {UnaryOp::negate, "negate", 0, 0, 0, 0, 0},
    {UnaryOp::leaky, "leaky", 0.01f, 0, 0.5, 0, 0},
    {UnaryOp::elu, "elu", 1.67326319f, 1.05070102f, 3, 0, 0},
    {UnaryOp::hard_sigmoid, "hard_sigmoid", 0.2f, 0.5f, 1, 0x1p-24, 0x1p-24},
    {UnaryOp::hard_swish, "hard_swish", 1 / 6.0f, 0.5f, 2, 0x1p-22, 0},
    {UnaryOp::softplus, "softplus", 0, 0, 2.5, 0, 0},
    {UnaryOp::softsign, "softsign", 0, 0, 1.5, 0, 0},
    {UnaryOp::swish, "swish", 1.0f, 0, 5, 0, 0, 1},
    {UnaryOp::mish, "mish", 0, 0, 5, 0, 0, 2},
    {UnaryOp::gelu, "gelu", 0, 0, 3, 0x1p-22, 0},
    {UnaryOp::gelu_tanh, "gelu_tanh", 0, 0, 3, 0x1p-22, 0},
};

UnaryArgs arguments(const Bound& bound, const float* x, float* y, size_t n) {
  UnaryArgs args;
  args.op = bound.op;
  args.lo = bound.lo;
  args.hi = bound.hi;
  args.x = x;
  args.y = y;
  args.n = static_cast<int64_t>(n);
  return args;
}

float one(Isa isa, UnaryOp op, float x, float lo = 1, float hi = 1) {
  float y = 0;
  const UnaryArgs args = arguments({op, "", lo, hi, 0, 0, 0}, &x, &y, 1);
  kernel_table(isa, false).unary(args, 0, args.items(), nullptr);
  return y;
}

/// Part of the allowed error that is used up.
double share(const Bound& bound, Isa isa, float x, float y) {
  const auto truth = [&](float v) { return reference::unary(bound.op, v, bound.lo, bound.hi); };
  const double ulps = reference::ulp_error(isa, y, x, truth);
  if (ulps <= bound.ulps) return bound.ulps > 0 ? ulps / bound.ulps : 0;
  if (!std::isfinite(ulps)) return ulps;
  const double per_x = bound.per_x + bound.smallest * reference::smallest_number(isa);
  const double rest = per_x * std::abs(static_cast<double>(x)) + bound.fixed;
  return std::abs(y - truth(x)) / (rest + 1e-300);
}

}  // namespace

TEST_CASE("the error of every function stays within its bound at every exponent") {
  constexpr uint32_t kStep = 4093;  // prime: 2,049 patterns of each exponent and sign, all low bits
  std::vector<float> x;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += kStep)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (int i = -4000; i < 4000; ++i) x.push_back(static_cast<float>(i) * 0.0049f);
  std::vector<float> y(x.size());
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) {
      MESSAGE("skipped, not on this CPU: " << std::string(name_of(isa)));
      continue;
    }
    for (const Bound& bound : kBounds) {
      const UnaryArgs args = arguments(bound, x.data(), y.data(), x.size());
      kernel_table(isa, false).unary(args, 0, args.items(), nullptr);
      double worst = 0;
      size_t at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double used = share(bound, isa, x[i], y[i]);
        if (!(used <= worst)) {
          worst = used;
          at = i;
        }
      }
      INFO(std::string(name_of(isa)) << " " << bound.name << "(" << x[at] << ") = " << y[at] << ", truth "
                                     << reference::unary(bound.op, x[at], bound.lo, bound.hi));
      CHECK(worst <= 1);
    }
  }
}

TEST_CASE("special values of the functions") {
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    INFO(std::string(name_of(isa)));
    for (const Bound& bound : kBounds) {
      INFO(bound.name);
      CHECK(std::isnan(one(isa, bound.op, std::nanf(""))));
    }
    CHECK(one(isa, UnaryOp::log, 0.0f) == -kInf);
    CHECK(one(isa, UnaryOp::log, -0.0f) == -kInf);
    CHECK(one(isa, UnaryOp::log, kInf) == kInf);
    CHECK(std::isnan(one(isa, UnaryOp::log, -1.0f)));
    CHECK(one(isa, UnaryOp::log, 1.0f) == 0.0f);
    CHECK(one(isa, UnaryOp::erf, kInf) == 1.0f);
    CHECK(one(isa, UnaryOp::erf, -kInf) == -1.0f);
    CHECK(std::signbit(one(isa, UnaryOp::erf, -0.0f)));
    CHECK(one(isa, UnaryOp::reciprocal, -kInf) == 0.0f);
    CHECK(std::isnan(one(isa, UnaryOp::sqrt, -1.0f)));
    CHECK(one(isa, UnaryOp::gelu, kInf) == kInf);
    CHECK(one(isa, UnaryOp::gelu, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::gelu_tanh, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::swish, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::mish, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::mish, kInf) == kInf);
    CHECK(one(isa, UnaryOp::elu, -kInf) == -1.0f);
    CHECK(one(isa, UnaryOp::softplus, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::softplus, kInf) == kInf);
  }
}

TEST_CASE("functions at every length: counts, guards, any division of the work") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes;
    for (const int64_t n : {int64_t{1}, L - 1, L, L + 1, 4 * L + 1, int64_t{97}, kMapBlock + 37}) {
      if (n < 1) continue;
      for (const Bound& bound : kBounds) {
        CAPTURE(n);
        CAPTURE(bound.name);
        Floats x(static_cast<size_t>(n)), y(x.size());
        fill_random(x.span(), static_cast<uint32_t>(n));
        const UnaryArgs args = arguments(bound, x.data(), y.data(), x.size());
        check_kernel(
            y, args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.unary(args, b, e, t); },
            [&](int64_t b, int64_t e, Tally* t) { uncounted.unary(args, b, e, t); },
            planned_unary(args, counted.geometry), operands(x));
        CHECK(x.intact());
      }
    }
  });
}

TEST_CASE("maximum and minimum keep NaN from either side") {
  on_every_isa([](const KernelTable&, const KernelTable& table) {
    const float nan = std::nanf(""), a[] = {nan, 1, -kInf, 2}, b[] = {1, nan, 3, -5};
    float y[4];
    BinaryArgs args;
    args.a = a;
    args.b = b;
    args.y = y;
    args.inner = 4;
    args.op = BinaryOp::max;
    table.binary(args, 0, 1, nullptr);
    CHECK((std::isnan(y[0]) && std::isnan(y[1]) && y[2] == 3 && y[3] == 2));
    args.op = BinaryOp::min;
    table.binary(args, 0, 1, nullptr);
    CHECK((std::isnan(y[0]) && std::isnan(y[1]) && y[2] == -kInf && y[3] == -5));
  });
}
