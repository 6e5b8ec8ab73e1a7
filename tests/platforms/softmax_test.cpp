#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/planned_map.h"
#include "tests/judged.h"
#include "tests/reference/elementwise_reference.h"
#include "tests/reference/guarded_buffer.h"

using namespace tally;
using test::Judge;
using Floats = reference::GuardedBuffer<float>;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

void fill(Floats& values, uint32_t seed) {
  for (float& v : values.span()) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) * 0x1p-19f - 16.0f;  // [−16, 16)
  }
}

SoftmaxArgs arguments(const Floats& x, Floats& y, int64_t rows, int64_t width, int64_t inner, bool log = false) {
  SoftmaxArgs args;
  args.log = log;
  args.x = x.data();
  args.y = y.data();
  args.rows = rows;
  args.width = width;
  args.inner = inner;
  return args;
}

int64_t start_of(const SoftmaxArgs& args, int64_t row) {
  return row / args.inner * args.width * args.inner + row % args.inner;
}

void check_values(const SoftmaxArgs& args, const Floats& y) {
  // x − max is rounded (2^−24 of at most 32), e^ errs by 2 ULP (2^−23 each), the sum by half a unit of 2^−23 an
  // addition (all terms positive), the division by half a unit.
  const double relative = 32 * 0x1p-24 + 2 * 2 * 0x1p-23 + (static_cast<double>(args.width) + 1) * 0x1p-24;
  int wrong = 0;
  for (int64_t r = 0; r < args.rows; ++r) {
    const int64_t start = start_of(args, r);
    const std::vector<double> truth = reference::softmax(args.x, start, args.width, args.inner);
    for (int64_t j = 0; j < args.width; ++j) {
      const double t = truth[static_cast<size_t>(j)];
      const double error = std::fabs(y[static_cast<size_t>(start + j * args.inner)] - t) / t;
      wrong += !(error <= relative);  // also a NaN
    }
  }
  CHECK(wrong == 0);
}

void check_logarithms(const SoftmaxArgs& args, const Floats& y) {
  // The sum errs as above, relatively, and so its logarithm absolutely, which itself errs by 2.5 ULP; both differences
  // round to half a unit of at most 2^−19 (values below 64).
  const double sum = 32 * 0x1p-24 + 2 * 2 * 0x1p-23 + static_cast<double>(args.width) * 0x1p-24;
  int wrong = 0;
  for (int64_t r = 0; r < args.rows; ++r) {
    const int64_t start = start_of(args, r);
    const std::vector<double> truth = reference::softmax(args.x, start, args.width, args.inner);
    for (int64_t j = 0; j < args.width; ++j) {
      const double error =
          std::fabs(y[static_cast<size_t>(start + j * args.inner)] - std::log(truth[static_cast<size_t>(j)]));
      wrong += !(error <= sum + 2.5 * 0x1p-21 + 0x1p-19);
    }
  }
  CHECK(wrong == 0);
}

void check(const KernelTable& counted, const KernelTable& uncounted, int64_t outer, int64_t width, int64_t inner,
           bool log) {
  CAPTURE(log);
  CAPTURE(outer);
  CAPTURE(width);
  CAPTURE(inner);
  Floats x(static_cast<size_t>(outer * width * inner)), y(x.size());
  fill(x, static_cast<uint32_t>(width * 31 + inner));
  const SoftmaxArgs args = arguments(x, y, outer * inner, width, inner, log);
  const Planned planned = planned_softmax(args, counted.geometry);

  Tally whole, parts;
  counted.softmax(args, 0, args.items(), &whole);
  const std::vector<float> result(y.data(), y.data() + y.size());
  CHECK(whole == planned.tally);
  CHECK(planned.parts_add_up());
  CHECK(y.intact());
  if (log) {
    check_logarithms(args, y);
  } else {
    check_values(args, y);
  }

  for (float& v : y.span()) v = 0;
  for (int64_t i = args.items(); i-- > 0;) counted.softmax(args, i, i + 1, &parts);
  CHECK(std::memcmp(y.data(), result.data(), y.size() * sizeof(float)) == 0);
  CHECK(parts == planned.tally);

  SoftmaxArgs in_place = args;
  in_place.y = x.data();
  Judge::instance().section([&] { uncounted.softmax(in_place, 0, args.items(), nullptr); });
  const Judge::Buffer buffer{x.data(), x.size() * sizeof(float)};
  Judge::instance().claim(counted.isa, whole, false, {&buffer, 1});
  CHECK(std::memcmp(x.data(), result.data(), x.size() * sizeof(float)) == 0);
  CHECK(x.intact());
}

}  // namespace

TEST_CASE("softmax along adjacent and along strided elements") {
  for (const Isa isa : built_isas()) {
    if (!Judge::instance().wants(isa)) continue;
    if (!usable(isa)) {
      MESSAGE("skipped, not on this CPU: " << std::string(name_of(isa)));
      continue;
    }
    CAPTURE(std::string(name_of(isa)));
    const KernelTable &counted = kernel_table(isa, true), &uncounted = kernel_table(isa, false);
    const int64_t L = counted.geometry.lanes;
    for (const bool log : {false, true}) {
      for (const int64_t width :
           {int64_t{1}, int64_t{2}, L, L + 1, 4 * L - 1, 4 * L, 4 * L + 1, int64_t{10}, int64_t{101}}) {
        check(counted, uncounted, 3, width, 1, log);
      }
      for (const int64_t inner :
           {int64_t{2}, int64_t{3}, L + 1, 2 * L + 1, kSoftmaxRows - 1, kSoftmaxRows, kSoftmaxRows + 5}) {
        check(counted, uncounted, 2, 7, inner, log);
      }
    }
  }
}

TEST_CASE("masked, huge and undefined rows of softmax") {
  for (const Isa isa : built_isas()) {
    if (!Judge::instance().wants(isa)) continue;
    if (!usable(isa)) continue;
    CAPTURE(std::string(name_of(isa)));
    for (const int64_t inner : {int64_t{1}, int64_t{3}}) {
      CAPTURE(inner);
      constexpr int64_t kWidth = 21;
      Floats x(static_cast<size_t>(kWidth * inner)), y(x.size());
      bool log = false;
      const auto run = [&](float value, float special) {
        const SoftmaxArgs args = arguments(x, y, inner, kWidth, inner, log);
        for (float& v : x.span()) v = value;
        for (int64_t i = 0; i < inner; ++i) x[static_cast<size_t>(20 * inner + i)] = special;
        kernel_table(isa, false).softmax(args, 0, args.items(), nullptr);
      };
      run(3e38f, -kInf);  // a masked element, and values whose exponentials would overflow
      CHECK(y[0] == doctest::Approx(0.05));
      CHECK(y[y.size() - 1] == 0.0f);
      log = true;
      run(3e38f, -kInf);
      CHECK(y[0] == doctest::Approx(std::log(0.05)));
      CHECK(y[y.size() - 1] == -kInf);
      run(1.0f, std::nanf(""));
      CHECK(std::isnan(y[0]));
      log = false;
      run(1.0f, std::nanf(""));
      CHECK(std::isnan(y[0]));
      CHECK(std::isnan(y[y.size() - 1]));
      run(-kInf, -kInf);
      CHECK(std::isnan(y[0]));
      run(0.0f, kInf);
      CHECK(std::isnan(y[y.size() - 1]));
    }
  }
}

TEST_CASE("planned softmax, worked by hand") {
  Geometry g;
  g.lanes = 8;
  g.fma_per_vector = {0, 0, 14, 10, 9};
  SoftmaxArgs args;
  args.rows = 5;
  args.width = 10;  // two vectors a row; the 8 elements of the full one wait in y
  CHECK(planned_softmax(args, g).tally == Tally{0, 0, 5 * 2 * 8 * 9, 4 * 5 * (2 * 10 + 8), 4 * 5 * (10 + 8)});
  args.rows = 24;  // two outer indices of 12 neighbours: two vectors across them, ten times
  args.inner = 12;
  CHECK(planned_softmax(args, g).tally == Tally{0, 0, 2 * 10 * 2 * 8 * 9, 4 * 3 * 240, 4 * 2 * 240});
  args.log = true;
  g.fma_per_vector[static_cast<size_t>(UnaryOp::log)] = 11;  // two vectors of sums an outer index
  CHECK(planned_softmax(args, g).tally == Tally{0, 0, 2 * 2 * 8 * (10 * 9 + 11), 4 * 3 * 240, 4 * 240});
  args.rows = 5;
  args.inner = 1;
  CHECK(planned_softmax(args, g).tally == Tally{0, 0, 5 * 8 * (2 * 9 + 11), 4 * 3 * 50, 4 * 50});
}
