// exp, tanh and sigmoid of every usable ISA against double precision, over all exponents.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernel_table.h"
#include "tests/reference/flushing.h"

using namespace tally;
using reference::flushes_denormals;
using reference::ulp_error;

namespace {

constexpr UnaryOp kFunctions[] = {UnaryOp::exp, UnaryOp::tanh, UnaryOp::sigmoid};
constexpr const char* name_of(UnaryOp op) {
  return op == UnaryOp::exp ? "exp" : op == UnaryOp::tanh ? "tanh" : "sigmoid";
}

std::vector<float> evaluate(Isa isa, UnaryOp op, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  UnaryArgs args;
  args.x = x.data();
  args.y = y.data();
  args.n = static_cast<int64_t>(x.size());
  args.op = op;
  kernel_table(isa, false).unary(args, 0, args.items(), nullptr);
  return y;
}

float one(Isa isa, UnaryOp op, float x) { return evaluate(isa, op, {x})[0]; }

/// The functions in long double, rounded to double: far below the units that errors are measured in.
double truth_of(UnaryOp op, float x) {
  const long double v = x;
  if (op == UnaryOp::exp) return static_cast<double>(std::exp(v));
  if (op == UnaryOp::tanh) return static_cast<double>(std::tanh(v));
  return static_cast<double>(v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)));
}

void check_errors(const std::vector<float>& x) {
  for (const UnaryOp op : kFunctions) {
    std::vector<double> truth(x.size());
    for (size_t i = 0; i < x.size(); ++i) truth[i] = truth_of(op, x[i]);
    for (const Isa isa : built_isas()) {
      if (!usable(isa)) {
        MESSAGE("skipped, not on this CPU: " << std::string(name_of(isa)));
        continue;
      }
      constexpr double kBound = 2.0;
      const std::vector<float> y = evaluate(isa, op, x);
      double worst = 0;
      size_t at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        // The truth of a denormal operand may be that of zero.
        const double error =
            ulp_error(isa, y[i], x[i], [&](float v) { return v == x[i] ? truth[i] : truth_of(op, v); });
        if (error > worst) {
          worst = error;
          at = i;
        }
      }
      INFO(std::string(name_of(isa)) << " " << name_of(op) << "(" << x[at] << ") = " << y[at] << ", truth "
                                     << truth[at]);
      CHECK(worst <= kBound);
    }
  }
}

}  // namespace

TEST_CASE("the error of exp, tanh and sigmoid stays within its bound at every exponent") {
  constexpr uint32_t kStep = 1021;  // prime: 8,216 patterns of each exponent and sign, all low bits
  std::vector<float> x;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += kStep)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  check_errors(x);
}

TEST_CASE("the error of exp, tanh and sigmoid where they are neither linear nor constant") {
  // Around every multiple of ln 2 / 2, where reductions change sides, and sigmoid(−16.6 … −17.7), where 1 + e^(−x)
  // loses its 1.
  std::vector<float> x;
  for (int k = -300; k <= 260; ++k) {
    const float edge = static_cast<float>(k * 0.34657359027997264);
    for (int i = -2000; i < 2000; ++i)
      x.push_back(edge + static_cast<float>(i) * 0x1p-20f * std::max(1.0f, std::fabs(edge)));
  }
  for (float v = -18.5f; v < -16.0f; v = std::nextafter(v, 0.0f) + 0x1.8p-18f) x.push_back(v);
  check_errors(x);
}

TEST_CASE("special values") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    INFO(std::string(name_of(isa)));
    const float denormal = flushes_denormals(isa) ? 0 : 0x1p-149f;  // the smallest
    for (const UnaryOp op : kFunctions) {
      CHECK(std::isnan(one(isa, op, std::nanf(""))));
      CHECK(std::isnan(one(isa, op, -std::nanf(""))));
    }
    CHECK(one(isa, UnaryOp::exp, 0.0f) == 1.0f);
    CHECK(one(isa, UnaryOp::exp, -0.0f) == 1.0f);
    CHECK(one(isa, UnaryOp::exp, kInf) == kInf);
    CHECK(one(isa, UnaryOp::exp, 88.72284f) == kInf);  // above ln(FLT_MAX) = 88.7228390…
    CHECK(one(isa, UnaryOp::exp, 88.72283f) < kInf);
    CHECK(one(isa, UnaryOp::exp, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::exp, -103.0f) == denormal);
    CHECK(one(isa, UnaryOp::exp, -104.0f) == 0.0f);
    CHECK(one(isa, UnaryOp::tanh, kInf) == 1.0f);
    CHECK(one(isa, UnaryOp::tanh, -kInf) == -1.0f);
    CHECK(std::signbit(one(isa, UnaryOp::tanh, -0.0f)));
    CHECK_FALSE(std::signbit(one(isa, UnaryOp::tanh, 0.0f)));
    CHECK(one(isa, UnaryOp::tanh, -0x1p-149f) == -denormal);
    CHECK(one(isa, UnaryOp::sigmoid, kInf) == 1.0f);
    CHECK(one(isa, UnaryOp::sigmoid, -kInf) == 0.0f);
    CHECK(one(isa, UnaryOp::sigmoid, 0.0f) == 0.5f);
    CHECK(one(isa, UnaryOp::sigmoid, -103.0f) == 0x1p-149f);
  }
}

TEST_CASE("tanh is odd to the bit") {
  std::vector<float> x, negative;
  for (uint32_t bits = 0; bits <= 0x7f800000u; bits += 30011) {
    x.push_back(std::bit_cast<float>(bits));
    negative.push_back(-x.back());
  }
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    std::vector<float> y = evaluate(isa, UnaryOp::tanh, negative);
    for (float& v : y) v = -v;
    CHECK(std::memcmp(y.data(), evaluate(isa, UnaryOp::tanh, x).data(), y.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("multiply-adds a vector, counted by hand") {
  // exp: 1 to round x·log2 e, 2 to reduce, 6 for the polynomial. tanh: 6 for the numerator, 6 for the denominator, 1
  // for 1 − N/D with its sign, and 6 for the polynomial of small x. sigmoid: 1 to round, 1 to reduce, 5 for the
  // polynomial, 1 for the divisor. Without FMA every one is a multiply, and so are in exp the two scalings by powers of
  // two, in tanh the powers of x (2) and the last product with x, in sigmoid the second product to reduce and the
  // powers of r (2).
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    const Geometry& g = kernel_table(isa, false).geometry;
    INFO(std::string(name_of(isa)));
    CHECK(g.fma_per_vector[static_cast<size_t>(UnaryOp::copy)] == 0);
    CHECK(g.fma_per_vector[static_cast<size_t>(UnaryOp::clamp)] == 0);
    CHECK(g.fma_per_vector[static_cast<size_t>(UnaryOp::exp)] == (g.has_fma ? 9 : 11));
    CHECK(g.fma_per_vector[static_cast<size_t>(UnaryOp::tanh)] == (g.has_fma ? 19 : 22));
    CHECK(g.fma_per_vector[static_cast<size_t>(UnaryOp::sigmoid)] == (g.has_fma ? 8 : 11));
  }
}
