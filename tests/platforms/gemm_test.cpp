#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "tally/platforms/kernels/planned_gemm.h"
#include "tests/judged.h"
#include "tests/platforms/gemm_problem.h"
#include "tests/platforms/nest_check.h"

namespace tally {
namespace {

using test::GemmProblem;
using test::GemmShape;
using test::Judge;

/// Largest difference that rounding may cause. A sum of n terms in fp32, in any order, is within γ_n = n·u / (1 − n·u)
/// of the sum of its terms' absolute values (Higham, Accuracy and Stability of Numerical Algorithms, eq. 3.4), u =
/// 2^-24; products of ISAs without FMA round once more each. tanh and sigmoid have slopes of at most 1 and add 3 ULP of
/// a result of at most 1. Stored as fp16 a result rounds by half a unit of 2^-10, or of 2^-24 where it is denormal.
double tolerance(Num num, const reference::GemmElement& e) {
  if (num == Num::i8) return 0;
  const double nu = static_cast<double>(e.terms + 1) * 0x1p-24;
  double bound = nu / (1 - nu) * e.magnitude + 4 * 0x1p-24;
  if (num == Num::f16) bound += (std::fabs(e.value) + bound) * 0x1p-11 + 0x1p-25;
  return bound;
}

void check_values(const GemmProblem& problem) {
  std::set<int64_t> written;
  const auto answer = problem.answer();
  int wrong = 0;
  for (const auto& e : answer) {
    const double got = problem.c_value(e.offset);
    if (!(std::fabs(got - e.value) <= tolerance(problem.num(), e)) && wrong++ == 0) {
      CHECK_MESSAGE(false, "element " << e.offset << ": " << got << " instead of " << e.value);
    }
    written.insert(e.offset);
  }
  CHECK(wrong == 0);
  if (problem.args().full_stores) return;
  const size_t element = problem.num() == Num::f16 ? 2 : 4;
  for (size_t i = 0; i < problem.c_bytes(); ++i) {
    if (written.count(static_cast<int64_t>(i / element)) == 0 && problem.c()[i] != 0xFF) {
      CHECK_MESSAGE(false, "byte " << i << " of C was written");
      return;
    }
  }
}

/// Values, guards, tallies, and the same bits however the items are divided.
void check(Isa isa, Num num, const GemmShape& shape) {
  CAPTURE(name_of(isa));
  CAPTURE(static_cast<int>(num));
  CAPTURE(test::describe(shape));
  const KernelTable& counted = kernel_table(isa, true);
  const KernelTable& uncounted = kernel_table(isa, false);
  const auto kernel = static_cast<size_t>(num);
  GemmProblem problem(num, shape, counted.geometry);
  const GemmArgs& args = problem.args();

  Tally tally;
  counted.gemm[kernel](args, 0, args.items(), &tally);
  check_values(problem);
  CHECK(problem.guards_intact());
  const std::vector<uint8_t> c(problem.c(), problem.c() + problem.c_bytes());

  const Planned planned = planned_gemm(args, num, counted.geometry);
  if (num == Num::f32) test::check_nest(loop_nest(args, counted.geometry), planned);
  CHECK(planned.parts_add_up());
  CHECK(tally.macs == planned.tally.macs);
  CHECK(tally.lane_macs == planned.tally.lane_macs);
  CHECK(tally.lane_fma_other == planned.tally.lane_fma_other);
  CHECK(tally.bytes_loaded == planned.tally.bytes_loaded);
  CHECK(tally.bytes_stored == planned.tally.bytes_stored);

  for (const int64_t part : {int64_t{1}, int64_t{3}, args.items()}) {
    problem.clear();
    Tally parts;
    for (int64_t begin = 0; begin < args.items(); begin += part) {
      const int64_t end = std::min(begin + part, args.items());
      if (part == 3) {
        counted.gemm[kernel](args, begin, end, &parts);
      } else if (part == args.items()) {
        Judge::instance().section([&] { uncounted.gemm[kernel](args, begin, end, nullptr); });
        Judge::instance().claim(isa, tally, num == Num::i8, problem.buffers());
      } else {
        uncounted.gemm[kernel](args, begin, end, nullptr);
      }
    }
    CHECK(std::memcmp(problem.c(), c.data(), c.size()) == 0);
    if (part == 3) CHECK(parts == tally);
  }
}

constexpr Num kNums[] = {Num::f32, Num::f16, Num::i8};

template <class Body>
void for_each_isa(Body body) {
  for (const Isa isa : built_isas()) {
    if (!Judge::instance().wants(isa)) continue;
    if (!usable(isa)) {
      MESSAGE("skipped: this machine cannot run " << std::string(name_of(isa)));
      continue;
    }
    body(isa);
  }
}

/// 1, one less than, exactly and one more than a tile, and a prime beyond.
std::vector<int64_t> around(int64_t tile, int64_t prime) {
  std::set<int64_t> sizes{1, tile, tile + 1, prime};
  if (tile > 1) sizes.insert(tile - 1);
  return {sizes.begin(), sizes.end()};
}

TEST_CASE("gemm: M, N and K around every tile") {
  for_each_isa([](Isa isa) {
    const Geometry& g = kernel_table(isa, false).geometry;
    for (const Num num : kNums) {
      std::set<int64_t> columns{1, 67};
      for (int v = 1; v <= g.gemm_vectors; ++v) {
        for (const int64_t n : around(int64_t{v} * g.lanes, 1)) columns.insert(n);
      }
      if (g.half_lanes > 0) columns.insert(g.half_lanes);
      for (const int64_t n : columns) {
        for (int64_t m = 1; m <= 9; ++m) {
          for (const int64_t k : {1, 2, 3, 4, 5, 8, 9, 23}) check(isa, num, {.w = m, .channels = k, .columns = n});
        }
        check(isa, num, {.w = 61, .channels = 7, .columns = n});
      }
    }
  });
}

TEST_CASE("gemm: one row, panels as wide as its tile") {
  for_each_isa([](Isa isa) {
    const Geometry& g = kernel_table(isa, false).geometry;
    for (const Num num : kNums) {
      for (int v = 1; v <= 2 * g.gemv_vectors + 1; ++v) {
        for (const int64_t n : around(int64_t{v} * g.lanes, 1)) {
          for (const int64_t k : {1, 7, 16, 41}) check(isa, num, {.channels = k, .columns = n, .one_row = true});
        }
      }
      check(isa, num, {.images = 5, .channels = 13, .columns = 37, .one_row = true});
    }
  });
}

TEST_CASE("gemm: convolutions with padding, groups, images, row blocks and depth blocks") {
  for_each_isa([](Isa isa) {
    for (const Num num : kNums) {
      const int blocks = num == Num::f16 ? 1 : 3;
      for (const int64_t channels : {1, 5, 8}) {
        for (const int64_t columns : {3, 16, 21}) {
          for (const int64_t rows : {1, 7, 64}) {
            check(isa, num,
                  {.images = 2,
                   .h = 5,
                   .w = 7,
                   .channels = channels,
                   .groups = 2,
                   .columns = columns,
                   .kh = 3,
                   .kw = 3,
                   .pad = 1,
                   .a_gap = 3,
                   .c_gap = 2,
                   .k_blocks = blocks,
                   .rows_per_block = rows});
          }
        }
      }
      check(isa, num, {.h = 14, .w = 14, .channels = 6, .columns = 16, .kh = 5, .kw = 5, .rows_per_block = 40});
      check(isa, num, {.h = 2, .w = 2, .channels = 3, .columns = 5, .kh = 3, .kw = 3, .pad = 2});
      // The outermost pixels see padding alone: regions without segments.
      check(isa, num, {.h = 2, .w = 3, .channels = 3, .columns = 9, .kh = 2, .kw = 2, .pad = 3});
      check(isa, num,
            {.w = 19, .channels = 64, .columns = 40, .k_blocks = num == Num::f16 ? 1 : 4, .rows_per_block = 8});
      check(isa, num, {.w = 19, .channels = 3, .columns = 40, .bias = false});
    }
  });
}

TEST_CASE("gemm: whole vectors stored, residual, activations") {
  const float inf = INFINITY;
  const Epilogue epilogues[] = {{},
                                {Activation::clamp, 0, inf},
                                {Activation::clamp, 0, 0.5f},
                                {Activation::clamp, -inf, 0.25f},
                                {Activation::tanh, 0, 0},
                                {Activation::sigmoid, 0, 0}};
  for_each_isa([&](Isa isa) {
    for (const Num num : kNums) {
      for (const bool full : {false, true}) {
        for (const bool residual : {false, true}) {
          for (const Epilogue& epilogue : epilogues) {
            if (num == Num::i8 && (residual || epilogue.activation != Activation::none)) continue;
            for (const int64_t columns : {5, 16, 30, 67}) {
              GemmShape shape{.images = 2, .h = 3, .w = 5, .channels = 4, .columns = columns, .rows_per_block = 6};
              shape.residual = residual;
              shape.full_stores = full;
              shape.epilogue = epilogue;
              check(isa, num, shape);
              if (num != Num::f16) {
                shape.kh = shape.kw = 2;
                shape.k_blocks = 2;
                check(isa, num, shape);
              }
            }
          }
        }
      }
    }
  });
}

TEST_CASE("gemm: few small problems of every kind") {
  // For an observer that steps through every instruction, who would take hours for the sweeps.
  for_each_isa([](Isa isa) {
    for (const Num num : kNums) {
      for (const int64_t columns : {5, 16, 40, 67}) {
        check(isa, num, {.h = 3, .w = 5, .channels = 7, .columns = columns});
        check(isa, num, {.channels = 11, .columns = columns, .one_row = true});
      }
      check(isa, num, {.h = 4, .w = 4, .channels = 3, .columns = 9, .kh = 3, .kw = 3, .pad = 1, .rows_per_block = 5});
      GemmShape shape{.w = 7, .channels = 5, .columns = 20};
      if (num != Num::i8) {
        shape.residual = true;
        for (const Activation activation : {Activation::clamp, Activation::tanh, Activation::sigmoid}) {
          shape.epilogue = {activation, 0, 1};
          check(isa, num, shape);
        }
      }
    }
  });
}

TEST_CASE("gemm: the residual may be C itself") {
  for_each_isa([](Isa isa) {
    for (const Num num : {Num::f32, Num::f16}) {
      for (const Epilogue& epilogue : {Epilogue{Activation::clamp, 0, 1}, Epilogue{Activation::tanh, 0, 0}}) {
        GemmShape shape{.h = 3, .w = 5, .channels = 9, .columns = 37};
        shape.residual = true;
        shape.epilogue = epilogue;
        const KernelTable& table = kernel_table(isa, false);
        GemmProblem apart(num, shape, table.geometry), in_place(num, shape, table.geometry);
        table.gemm[static_cast<size_t>(num)](apart.args(), 0, apart.args().items(), nullptr);
        GemmArgs args = in_place.args();
        args.c = const_cast<void*>(args.residual);
        table.gemm[static_cast<size_t>(num)](args, 0, args.items(), nullptr);
        CHECK(std::memcmp(args.c, apart.c(), apart.c_bytes()) == 0);
      }
    }
  });
}

TEST_CASE("gemm: int8 is the same on every instruction set") {
  std::vector<std::vector<uint8_t>> results;
  for_each_isa([&](Isa isa) {
    const KernelTable& table = kernel_table(isa, false);
    GemmProblem problem(Num::i8, {.h = 6, .w = 6, .channels = 37, .columns = 29, .kh = 3, .kw = 3, .pad = 1},
                        table.geometry);
    table.gemm[2](problem.args(), 0, problem.args().items(), nullptr);
    results.emplace_back(problem.c(), problem.c() + problem.c_bytes());
  });
  for (const auto& result : results) CHECK(result == results.front());
}

TEST_CASE("gemm: fp16 multiply-accumulates into floats have the bits of conversions and a float's FMA") {
  const Isa converting = *isa_from_name("neon64"), widening = *isa_from_name("neon64fp16");
  if (!usable(widening)) {
    MESSAGE("skipped: this machine cannot run neon64fp16");
    return;
  }
  for (const GemmShape& shape :
       {GemmShape{.h = 5, .w = 7, .channels = 43, .columns = 29, .kh = 3, .kw = 3, .pad = 1},
        GemmShape{.w = 9, .channels = 64, .columns = 7}, GemmShape{.channels = 101, .columns = 97, .one_row = true}}) {
    std::vector<std::vector<uint8_t>> results;
    for (const Isa isa : {converting, widening}) {
      const KernelTable& table = kernel_table(isa, false);
      GemmProblem problem(Num::f16, shape, table.geometry);
      table.gemm[1](problem.args(), 0, problem.args().items(), nullptr);
      results.emplace_back(problem.c(), problem.c() + problem.c_bytes());
    }
    CHECK(results[0] == results[1]);
  }
}

}  // namespace
}  // namespace tally
