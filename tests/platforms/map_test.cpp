// unary, binary and channel_affine of every usable ISA: values, guards, in place, any split of the items, counts.
#include <cmath>
#include <cstring>
#include <functional>
#include <initializer_list>
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

/// Deterministic values in [−4, 4), and now and then a special one.
void fill(Floats& values, uint32_t seed) {
  for (float& v : values.span()) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) * 0x1p-21f - 4.0f;
    if (seed >> 8 == 12345) v = -0.0f;
  }
}

/// {1, tile − 1, tile, tile + 1, a prime …} for vectors of L lanes and unrolled iterations of 4.
std::vector<int64_t> lengths(int64_t L) {
  std::vector<int64_t> n = {1, 2, 3, L, L + 1, 2 * L + 1, 4 * L - 1, 4 * L, 4 * L + 1, 7 * L + 3, 97};
  if (L > 1) n.push_back(L - 1);
  return n;
}

/// The ISA that on_every_isa is at.
Isa current_isa{};

using Kernel = std::function<void(int64_t begin, int64_t end, Tally*)>;

bool same_bits(const Floats& a, const float* b) { return std::memcmp(a.data(), b, a.size() * sizeof(float)) == 0; }

/// Runs the counted kernel whole and item by item, last first, and the uncounted one; `y` must come out the same, and
/// the tally as planned. `operands`: all buffers of the kernel, y included.
void check_runs(std::initializer_list<const Floats*> operands, Floats& y, int64_t items, const Kernel& counted,
                const Kernel& uncounted, const Planned& planned) {
  Tally whole;
  counted(0, items, &whole);
  const std::vector<float> result(y.data(), y.data() + y.size());
  CHECK(whole == planned.tally);
  CHECK(planned.parts_add_up());
  CHECK(y.intact());

  std::memset(y.data(), 0xff, y.size() * sizeof(float));
  Judge::instance().section([&] { uncounted(0, items, nullptr); });
  std::vector<Judge::Buffer> buffers;
  for (const Floats* operand : operands) buffers.push_back({operand->data(), operand->size() * sizeof(float)});
  Judge::instance().claim(current_isa, whole, false, buffers);
  CHECK(same_bits(y, result.data()));

  std::memset(y.data(), 0xff, y.size() * sizeof(float));
  Tally parts;
  for (int64_t i = items; i-- > 0;) counted(i, i + 1, &parts);
  CHECK(same_bits(y, result.data()));
  CHECK(parts == planned.tally);
}

template <class F>
void on_every_isa(F f) {
  for (const Isa isa : built_isas()) {
    if (!Judge::instance().wants(isa)) continue;
    current_isa = isa;
    if (!usable(isa)) {
      MESSAGE("skipped, not on this CPU: " << std::string(name_of(isa)));
      continue;
    }
    CAPTURE(std::string(name_of(isa)));
    f(kernel_table(isa, true), kernel_table(isa, false));
  }
}

float clamped(float v, bool clamp, float lo, float hi) { return clamp ? std::fmax(lo, std::fmin(hi, v)) : v; }

}  // namespace

TEST_CASE("unary") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    constexpr double kBound = 2.0;  // math.h
    std::vector<int64_t> ns = lengths(counted.geometry.lanes);
    for (const int64_t n : {kMapBlock - 1, kMapBlock, kMapBlock + 1, 2 * kMapBlock + 37}) ns.push_back(n);
    for (const int64_t n : ns) {
      for (const UnaryOp op : {UnaryOp::copy, UnaryOp::clamp, UnaryOp::tanh, UnaryOp::sigmoid, UnaryOp::exp}) {
        CAPTURE(n);
        CAPTURE(static_cast<int>(op));
        Floats x(static_cast<size_t>(n)), y(static_cast<size_t>(n));
        fill(x, static_cast<uint32_t>(n));
        UnaryArgs args;
        args.x = x.data();
        args.y = y.data();
        args.n = n;
        args.op = op;
        args.lo = -1.5f;
        args.hi = 2.0f;
        check_runs(
            {&x, &y}, y, args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.unary(args, b, e, t); },
            [&](int64_t b, int64_t e, Tally* t) { uncounted.unary(args, b, e, t); },
            planned_unary(args, counted.geometry));
        double worst = 0;
        for (size_t i = 0; i < y.size(); ++i) {
          worst = std::fmax(worst, reference::ulp_error(y[i], reference::unary(op, x[i], args.lo, args.hi)));
        }
        CHECK(worst <= (op == UnaryOp::copy || op == UnaryOp::clamp ? 0.0 : kBound));

        args.y = x.data();
        uncounted.unary(args, 0, args.items(), nullptr);
        CHECK(same_bits(x, y.data()));
        CHECK(x.intact());
      }
    }
  });
}

TEST_CASE("an element's bits do not depend on its place in a vector") {
  on_every_isa([](const KernelTable&, const KernelTable& table) {
    Floats x(131), y(131);
    fill(x, 7);
    UnaryArgs args;
    args.op = UnaryOp::tanh;
    args.x = x.data();
    args.y = y.data();
    args.n = 131;
    table.unary(args, 0, args.items(), nullptr);
    for (size_t first = 1; first < 67; ++first) {
      Floats part(131 - first);
      args.x = x.data() + first;
      args.y = part.data();
      args.n = static_cast<int64_t>(part.size());
      table.unary(args, 0, args.items(), nullptr);
      CHECK(same_bits(part, y.data() + first));
    }
  });
}

namespace {

void check_binary(const KernelTable& counted, const KernelTable& uncounted, BinaryArgs args, Floats& a, Floats& b,
                  Floats& y) {
  args.a = a.data();
  args.b = b.data();
  args.y = y.data();
  check_runs(
      {&a, &b, &y}, y, args.items(), [&](int64_t b0, int64_t e, Tally* t) { counted.binary(args, b0, e, t); },
      [&](int64_t b0, int64_t e, Tally* t) { uncounted.binary(args, b0, e, t); },
      planned_binary(args, counted.geometry));
  const bool clamp = args.epilogue.activation == Activation::clamp;
  bool equal = true;
  for (int64_t r = 0; r < args.rows; ++r) {
    const float* ar = args.a + (args.a_rows ? args.a_rows[r] : r * args.a_row_stride);
    const float* br = args.b + (args.b_rows ? args.b_rows[r] : r * args.b_row_stride);
    for (int64_t j = 0; j < args.inner; ++j) {
      const float value = reference::binary(args.op, ar[args.a_scalar ? 0 : j], br[args.b_scalar ? 0 : j]);
      equal &= y[static_cast<size_t>(r * args.inner + j)] == clamped(value, clamp, args.epilogue.lo, args.epilogue.hi);
    }
  }
  CHECK(equal);
}

}  // namespace

TEST_CASE("binary, every operator and kind of operand") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    std::vector<int64_t> inners = lengths(counted.geometry.lanes);
    inners.push_back(2 * kMapBlock + 5);
    for (const int64_t inner : inners) {
      for (const int64_t rows : {int64_t{1}, int64_t{3}}) {
        const size_t size = static_cast<size_t>(rows * inner);
        Floats a(size), b(size), y(size);
        fill(a, 1);
        fill(b, 2);
        for (int kind = 0; kind < 64; ++kind) {
          BinaryArgs args;
          args.op = static_cast<BinaryOp>((kind & 3) | (kind & 32) >> 3);
          if (args.op > BinaryOp::prelu) continue;
          args.rows = rows;
          args.inner = inner;
          args.a_scalar = kind & 4;
          args.b_scalar = kind & 8;
          args.a_row_stride = inner;
          args.b_row_stride = kind & 16 ? 0 : inner;
          if ((kind & 48) == 16) args.epilogue = {Activation::clamp, -0.5f, 3.0f};
          CAPTURE(inner);
          CAPTURE(rows);
          CAPTURE(kind);
          check_binary(counted, uncounted, args, a, b, y);
        }
      }
    }
  });
}

TEST_CASE("binary with row offsets, and in place") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    constexpr int64_t kInner = 37, kRows = 4;
    Floats a(kInner * kRows), b(kInner * 2), y(kInner * kRows);
    fill(a, 3);
    fill(b, 4);
    const int64_t a_rows[kRows] = {3 * kInner, kInner, 0, 2 * kInner}, b_rows[kRows] = {0, kInner, kInner, 0};
    BinaryArgs args;
    args.rows = kRows;
    args.inner = kInner;
    args.op = BinaryOp::mul;
    args.a_rows = a_rows;
    args.b_rows = b_rows;
    check_binary(counted, uncounted, args, a, b, y);

    args.a_rows = nullptr;
    args.a_row_stride = kInner;
    check_binary(counted, uncounted, args, a, b, y);
    args.a = a.data();
    args.b = b.data();
    args.y = a.data();
    uncounted.binary(args, 0, args.items(), nullptr);
    CHECK(same_bits(a, y.data()));
  });
}

TEST_CASE("channel_affine in both layouts") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes;
    for (const bool channels_last : {false, true}) {
      for (const int64_t inner : lengths(L)) {
        for (const int64_t rows : {int64_t{1}, kAffineRows - 1, kAffineRows, int64_t{2} * kAffineRows + 3}) {
          for (const bool clamp : {false, true}) {
            ChannelAffineArgs args;
            args.channels_last = channels_last;
            args.rows = rows;
            args.channels = channels_last ? inner : 5;
            args.inner = channels_last ? 0 : inner;
            if (clamp) args.epilogue = {Activation::clamp, 0.0f, 6.0f};
            Floats x(static_cast<size_t>(rows * inner)), y(x.size());
            Floats scale(static_cast<size_t>(args.channels)), shift(scale.size());
            fill(x, 5);
            fill(scale, 6);
            fill(shift, 7);
            args.x = x.data();
            args.y = y.data();
            args.scale = scale.data();
            args.shift = shift.data();
            CAPTURE(channels_last);
            CAPTURE(inner);
            CAPTURE(rows);
            check_runs(
                {&x, &scale, &shift, &y}, y, args.items(),
                [&](int64_t b, int64_t e, Tally* t) { counted.channel_affine(args, b, e, t); },
                [&](int64_t b, int64_t e, Tally* t) { uncounted.channel_affine(args, b, e, t); },
                planned_channel_affine(args, counted.geometry));
            bool equal = true;
            for (int64_t i = 0; i < rows * inner; ++i) {
              const size_t c = static_cast<size_t>(channels_last ? i % inner : i / inner % args.channels);
              const float v = x[static_cast<size_t>(i)];
              const float sum = counted.geometry.has_fma ? std::fma(v, scale[c], shift[c]) : v * scale[c] + shift[c];
              equal &= y[static_cast<size_t>(i)] == clamped(sum, clamp, 0.0f, 6.0f);
            }
            CHECK(equal);
          }
        }
      }
    }
  });
}

TEST_CASE("planned tallies, worked by hand") {
  Geometry g;
  g.lanes = 8;
  g.has_fma = true;
  g.fma_per_vector = {0, 0, 14, 10, 9};
  UnaryArgs unary;
  unary.n = 100;  // 13 vectors of 8 lanes, 14 FMAs each
  unary.op = UnaryOp::tanh;
  CHECK(planned_unary(unary, g).tally == Tally{0, 0, 13 * 8 * 14, 400, 400});

  ChannelAffineArgs affine;
  affine.rows = 20;  // two blocks of rows
  affine.channels = 6;
  affine.channels_last = true;
  CHECK(planned_channel_affine(affine, g).tally == Tally{0, 0, 20 * 8, 4 * (20 * 6 + 2 * 2 * 6), 4 * 20 * 6});

  BinaryArgs binary;
  binary.op = BinaryOp::mul;
  binary.rows = 3;
  binary.inner = 10;
  binary.b_scalar = true;
  CHECK(planned_binary(binary, g).tally == Tally{0, 0, 0, 4 * (30 + 3), 4 * 30});
  g.has_fma = false;
  CHECK(planned_binary(binary, g).tally == Tally{0, 0, 3 * 16, 4 * (30 + 3), 4 * 30});
}
