// reduce, row_norm and lrn of every usable ISA against double precision.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernel_check.h"
#include "tally/platforms/kernels/planned_reduce.h"

using namespace tally;
using namespace tally::test;

namespace {

double reduced(const ReduceArgs& args, const float* x) {
  double sum = args.op == ReduceOp::max ? -INFINITY : args.op == ReduceOp::min ? INFINITY : 0;
  for (int64_t j = 0; j < args.width; ++j) {
    const double v = x[j * args.inner];
    if (args.op == ReduceOp::sum) sum += v;
    if (args.op == ReduceOp::sum_abs) sum += std::abs(v);
    if (args.op == ReduceOp::sum_squares) sum += v * v;
    if (args.op == ReduceOp::max) sum = std::fmax(sum, v);
    if (args.op == ReduceOp::min) sum = std::fmin(sum, v);
  }
  if (args.finish == ReduceFinish::divide) return sum / static_cast<double>(args.width);
  return args.finish == ReduceFinish::root ? std::sqrt(sum) : sum;
}

void check_reduce(const KernelTable& counted, const KernelTable& uncounted, ReduceArgs args) {
  CAPTURE(args.outer);
  CAPTURE(args.width);
  CAPTURE(args.inner);
  CAPTURE(static_cast<int>(args.op));
  Floats x(static_cast<size_t>(args.outer * args.width * args.inner)), y(static_cast<size_t>(args.outer * args.inner));
  fill_random(x.span(), static_cast<uint32_t>(args.width));
  args.x = x.data();
  args.y = y.data();
  check_kernel(
      y, args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.reduce(args, b, e, t); },
      [&](int64_t b, int64_t e, Tally* t) { uncounted.reduce(args, b, e, t); }, planned_reduce(args, counted.geometry),
      operands(x));
  // |x| < 1: a sum of n terms errs by at most n roundings of a partial sum below n.
  const auto n = static_cast<double>(args.width);
  const bool extreme = args.op == ReduceOp::max || args.op == ReduceOp::min;
  const double bound = extreme ? 0 : n * n * 0x1p-24;
  int wrong = 0;
  for (int64_t o = 0; o < args.outer; ++o)
    for (int64_t i = 0; i < args.inner; ++i) {
      const double truth = reduced(args, x.data() + o * args.width * args.inner + i);
      wrong += !(std::abs(y[static_cast<size_t>(o * args.inner + i)] - truth) <= bound);
    }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("reduce along rows and across them") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes;
    constexpr std::pair<ReduceOp, ReduceFinish> kKinds[] = {
        {ReduceOp::sum, ReduceFinish::none},         {ReduceOp::sum, ReduceFinish::divide},
        {ReduceOp::sum_abs, ReduceFinish::none},     {ReduceOp::sum_squares, ReduceFinish::none},
        {ReduceOp::sum_squares, ReduceFinish::root}, {ReduceOp::max, ReduceFinish::none},
        {ReduceOp::min, ReduceFinish::none}};
    for (const auto& [op, finish] : kKinds) {
      ReduceArgs args;
      args.op = op;
      args.finish = finish;
      for (const int64_t width : {int64_t{1}, L, L + 1, 4 * L - 1, 4 * L, 9 * L + 3, int64_t{101}})
        for (const int64_t outer : {int64_t{1}, kReduceRows + 3}) {
          args.width = width;
          args.outer = outer;
          args.inner = 1;
          check_reduce(counted, uncounted, args);
        }
      for (const int64_t inner :
           {int64_t{2}, L + 1, 4 * L, kReduceColumns - 1, kReduceColumns, kReduceColumns + 4 * L + 1}) {
        args.outer = 2;
        args.width = 7;
        args.inner = inner;
        check_reduce(counted, uncounted, args);
      }
    }
  });
}

TEST_CASE("a maximum keeps NaN wherever it stands") {
  on_every_isa([](const KernelTable&, const KernelTable& table) {
    for (const int64_t at : {0, 1, 35, 71, 72}) {
      Floats x(73);
      for (float& v : x.span()) v = 1;
      x[static_cast<size_t>(at)] = NAN;
      float y = 0;
      ReduceArgs args;
      args.x = x.data();
      args.y = &y;
      args.width = 73;
      args.op = ReduceOp::max;
      table.reduce(args, 0, 1, nullptr);
      CHECK(std::isnan(y));
    }
  });
}

namespace {

struct NormCase {
  int64_t rows, width, inner, channels;
  bool centred, scale, bias, moments;
  float offset;
};

void check_norm(const KernelTable& counted, const KernelTable& uncounted, const NormCase& c) {
  CAPTURE(c.rows);
  CAPTURE(c.width);
  CAPTURE(c.inner);
  CAPTURE(c.centred);
  CAPTURE(c.scale);
  CAPTURE(c.offset);
  const auto size = static_cast<size_t>(c.rows * c.width), channels = static_cast<size_t>(c.channels);
  Floats x(size), y(size), scale(channels), bias(channels);
  Floats mean(static_cast<size_t>(c.rows)), inverse(mean.size());
  fill_random(x.span(), static_cast<uint32_t>(c.width));
  for (float& v : x.span()) v += c.offset;
  fill_random(scale.span(), 5);
  fill_random(bias.span(), 6);
  RowNormArgs args;
  args.x = x.data();
  args.y = y.data();
  args.scale = c.scale ? scale.data() : nullptr;
  args.bias = c.bias ? bias.data() : nullptr;
  args.mean = c.moments ? mean.data() : nullptr;
  args.inverse = c.moments ? inverse.data() : nullptr;
  args.rows = c.rows;
  args.width = c.width;
  args.inner = c.inner;
  args.channels = c.channels;
  args.epsilon = 1e-3f;
  args.centred = c.centred;
  check_kernel(
      y, args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.row_norm(args, b, e, t); },
      [&](int64_t b, int64_t e, Tally* t) { uncounted.row_norm(args, b, e, t); },
      planned_row_norm(args, {c.scale, c.bias, c.moments, c.moments}, counted.geometry),
      operands(x, scale, bias, mean, inverse));
  double worst = 0;
  for (int64_t r = 0; r < c.rows; ++r) {
    const float* v = x.data() + r * c.width;
    double m = 0, s = 0;
    if (c.centred)
      for (int64_t j = 0; j < c.width; ++j) m += v[j] / static_cast<double>(c.width);
    for (int64_t j = 0; j < c.width; ++j) s += (v[j] - m) * (v[j] - m) / static_cast<double>(c.width);
    const double d = 1 / std::sqrt(s + 1e-3f);
    if (c.moments) {
      CHECK(mean[static_cast<size_t>(r)] == doctest::Approx(m).epsilon(1e-6));
      CHECK(inverse[static_cast<size_t>(r)] == doctest::Approx(d).epsilon(1e-5));
    }
    for (int64_t j = 0; j < c.width; ++j) {
      const auto k = static_cast<size_t>((r * (c.width / c.inner) + j / c.inner) % c.channels);
      const double a = c.scale ? scale[k] : 1.0, b = c.bias ? bias[k] : 0.0, t = (v[j] - m) * d;
      // The row's sum of squares of w terms errs by w/2 roundings at most, the root halves that; the mean is off by a
      // rounding of itself and of 2 (w/4 roundings of partial sums mended), times d; a handful for the rest.
      const double w = static_cast<double>(c.width);
      const double unit =
          0x1p-24 * ((w / 4 + 6) * std::abs(t * a) + 4 * (std::abs(m) + 1) * d * std::abs(a) + std::abs(b));
      worst = std::fmax(worst, std::abs(y[static_cast<size_t>(r * c.width + j)] - (t * a + b)) / (unit + 1e-12));
    }
  }
  CHECK(worst <= 1);
}

}  // namespace

TEST_CASE("row_norm: a parameter an element, or one a run") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes;
    for (const bool centred : {true, false})
      for (const int64_t width : {int64_t{1}, L - 1, L, L + 1, 2 * L, 5 * L + 2, int64_t{101}, int64_t{384}}) {
        if (width < 1) continue;
        check_norm(counted, uncounted, {3, width, 1, width, centred, true, true, true, 0});
        check_norm(counted, uncounted, {3, width, 1, width, centred, true, false, false, 0});
        check_norm(counted, uncounted, {2, width, width, 2, centred, false, false, false, 0});
        check_norm(counted, uncounted, {6, width, width, 3, centred, true, true, false, 0});
      }
    check_norm(counted, uncounted, {4, 3 * 37, 37, 6, true, true, true, false, 0});  // groups of three channels
    check_norm(counted, uncounted, {4, 3, 1, 6, true, true, true, false, 0});
    check_norm(counted, uncounted, {2, 501, 1, 501, true, true, true, true, 1000});  // a mean far above the deviation
  });
}

TEST_CASE("lrn: windows cut off at the first and last channels") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const auto& [channels, before, after] : {std::array<int64_t, 3>{1, 0, 0}, {7, 2, 2}, {5, 1, 2}, {4, 4, 4}})
      for (const int64_t pixels : {int64_t{1}, int64_t{kLrnPixels}, int64_t{kLrnPixels + 21}}) {
        LrnArgs args;
        args.images = 2;
        args.channels = channels;
        args.pixels = pixels;
        args.before = before;
        args.after = after;
        args.alpha = 0.3f;
        args.bias = 1.5f;
        Floats x(static_cast<size_t>(2 * channels * pixels)), y(x.size());
        fill_random(x.span(), static_cast<uint32_t>(pixels));
        args.x = x.data();
        args.y = y.data();
        check_kernel(
            y, args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.lrn(args, b, e, t); },
            [&](int64_t b, int64_t e, Tally* t) { uncounted.lrn(args, b, e, t); }, planned_lrn(args, counted.geometry),
            operands(x));
        double worst = 0;
        for (int64_t i = 0; i < 2 * channels * pixels; ++i) {
          const int64_t c = i / pixels % channels;
          double sum = 0;
          for (int64_t k = std::max<int64_t>(0, c - before); k <= std::min(channels - 1, c + after); ++k) {
            const double v = x[static_cast<size_t>(i + (k - c) * pixels)];
            sum += v * v;
          }
          const double expected = x[static_cast<size_t>(i)] * std::pow(1.5 + 0.3f * sum, -0.75);
          worst = std::fmax(worst, std::abs(y[static_cast<size_t>(i)] - expected) / (std::abs(expected) + 1e-12));
        }
        CHECK(worst <= 12 * 0x1p-24);
      }
  });
}

TEST_CASE("planned reduce and row_norm, worked by hand") {
  Geometry g;
  g.lanes = 8;
  g.has_fma = true;
  ReduceArgs reduce;
  reduce.outer = 3;
  reduce.width = 10;
  reduce.op = ReduceOp::sum_squares;  // two vectors a row
  CHECK(planned_reduce(reduce, g).tally == Tally{0, 0, 3 * 2 * 8, 4 * 30, 4 * 3});
  RowNormArgs norm;
  norm.rows = 5;
  norm.width = 10;
  norm.channels = 10;
  // Two vectors of squares, one to mend, two of the affine map; three readings, scale and bias.
  CHECK(planned_row_norm(norm, {}, g).tally == Tally{0, 0, 5 * 5 * 8, 4 * 5 * (30 + 20), 4 * 50});
  g.has_fma = false;  // and two products with 1/deviation
  CHECK(planned_row_norm(norm, {}, g).tally == Tally{0, 0, 5 * 7 * 8, 4 * 5 * (30 + 20), 4 * 50});
  norm.inner = 5;  // two runs of one vector, two products
  norm.channels = 2;
  CHECK(planned_row_norm(norm, {}, g).tally == Tally{0, 0, 5 * 7 * 8, 4 * 5 * (30 + 4), 4 * 50});
  LrnArgs lrn;
  lrn.images = 2;
  lrn.channels = 4;
  lrn.pixels = 9;  // two vectors
  lrn.before = lrn.after = 1;
  CHECK(planned_lrn(lrn, g).tally == Tally{0, 0, 2 * 16 * (10 + 3 * 4), 4 * 2 * 9 * 10, 4 * 2 * 9 * 4});
}
