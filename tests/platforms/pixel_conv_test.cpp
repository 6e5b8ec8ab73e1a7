// pixel_conv of every usable ISA against the definition in double: row ends, odd rows, groups, padding, activations,
// counts.
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernels/pack_conv.h"
#include "tally/platforms/kernels/planned_conv.h"
#include "tests/platforms/kernel_check.h"
#include "tests/reference/conv_reference.h"

using namespace tally;
using namespace tally::test;
using reference::ConvCase;

namespace {

struct Options {
  int tile_channels = 0;  ///< 0: pixel_tile_channels
  bool bias = true;
  int y_gap = 3;  ///< elements between rows of Y that must stay untouched
  Epilogue epilogue = {};
};

/// Operands of one case: X with its padding written out, weights packed.
struct Problem {
  ConvCase c;
  std::vector<double> x, w, b;
  Floats padded, packed, bias, y;
  std::vector<int32_t> offsets;
  PixelConvArgs args;

  static constexpr size_t kOverread = 16;

  static std::vector<double> random(size_t n, uint32_t seed) {
    std::vector<float> f(n);
    fill_random(f, seed);
    return {f.begin(), f.end()};
  }
  int64_t rows() const { return c.H + c.pT + c.pB; }
  int64_t columns() const { return c.W + c.pL + c.pR; }
  int64_t taps() const { return c.C / c.G * c.kH * c.kW; }

  Problem(const ConvCase& shape, const Options& o, const Geometry& geometry)
      : c(shape),
        x(random(static_cast<size_t>(c.N * c.C * c.H * c.W), 1)),
        w(random(static_cast<size_t>(c.M * taps()), 2)),
        b(o.bias ? random(static_cast<size_t>(c.M), 3) : std::vector<double>()),
        padded(static_cast<size_t>(c.N * c.C * rows() * columns()) + kOverread),
        packed(w.size()),
        bias(b.size()),
        y(static_cast<size_t>(c.N * c.M * c.oH() * (c.oW() + o.y_gap))) {
    for (int64_t plane = 0; plane < c.N * c.C; ++plane)
      for (int64_t i = 0; i < rows(); ++i)
        for (int64_t j = 0; j < columns(); ++j) {
          const int64_t iy = i - c.pT, ix = j - c.pL;
          const bool inside = iy >= 0 && iy < c.H && ix >= 0 && ix < c.W;
          padded[static_cast<size_t>((plane * rows() + i) * columns() + j)] =
              inside ? static_cast<float>(x[static_cast<size_t>((plane * c.H + iy) * c.W + ix)]) : 0.0f;
        }
    for (int64_t i = 0; i < c.C / c.G; ++i)
      for (int64_t ky = 0; ky < c.kH; ++ky)
        for (int64_t kx = 0; kx < c.kW; ++kx)
          offsets.push_back(static_cast<int32_t>((i * rows() + ky * c.dH) * columns() + kx * c.dW));
    set_args(o, geometry);
  }

  void set_args(const Options& o, const Geometry& geometry) {
    const int group_channels = static_cast<int>(c.M / c.G);
    args.tile_channels =
        o.tile_channels ? o.tile_channels : pixel_tile_channels(group_channels, static_cast<int>(c.oW()), geometry);
    const std::vector<float> plain(w.begin(), w.end());
    pack_pixel_weights(plain.data(), static_cast<int>(c.G), group_channels, static_cast<int>(taps()),
                       args.tile_channels, packed.data());
    for (size_t i = 0; i < b.size(); ++i) bias[i] = static_cast<float>(b[i]);
    args.x = padded.data();
    args.w = packed.data();
    args.bias = o.bias ? bias.data() : nullptr;
    args.y = y.data();
    args.x_image = c.C * rows() * columns();
    args.x_group = c.C / c.G * rows() * columns();
    args.x_y = c.sH * columns();
    args.y_row = c.oW() + o.y_gap;
    args.y_channel = c.oH() * args.y_row;
    args.y_image = c.M * args.y_channel;
    args.tap_offset = offsets.data();
    args.taps = static_cast<int32_t>(taps());
    args.images = static_cast<int32_t>(c.N);
    args.groups = static_cast<int32_t>(c.G);
    args.group_channels = group_channels;
    args.oh = static_cast<int32_t>(c.oH());
    args.ow = static_cast<int32_t>(c.oW());
    args.epilogue = o.epilogue;
    if (c.pT + c.pL + c.pB + c.pR == 0) return;
    args.kh = static_cast<int32_t>(c.kH);
    args.kw = static_cast<int32_t>(c.kW);
    args.sh = static_cast<int32_t>(c.sH);
    args.dh = static_cast<int32_t>(c.dH);
    args.dw = static_cast<int32_t>(c.dW);
    args.pt = static_cast<int32_t>(c.pT);
    args.pl = static_cast<int32_t>(c.pL);
    args.h = static_cast<int32_t>(c.H);
    args.w_in = static_cast<int32_t>(c.W);
  }
};

double activated(double v, const Epilogue& e) {
  switch (e.activation) {
    case Activation::clamp:
      return std::fmax(e.lo, std::fmin(e.hi, v));
    case Activation::tanh:
      return std::tanh(v);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-v));
    default:
      return v;
  }
}

void check(const KernelTable& counted, const KernelTable& uncounted, const ConvCase& c, const Options& o = {}) {
  const std::string text = std::to_string(c.N) + "x" + std::to_string(c.C) + "x" + std::to_string(c.H) + "x" +
                           std::to_string(c.W) + " -> " + std::to_string(c.M) + "x" + std::to_string(c.oH()) + "x" +
                           std::to_string(c.oW()) + " kernel " + std::to_string(c.kH) + "x" + std::to_string(c.kW);
  CAPTURE(text);
  Problem p(c, o, counted.geometry);
  CAPTURE(p.args.tile_channels);
  const Planned planned = planned_pixel_conv(p.args, counted.geometry);
  check_kernel(
      p.y, p.args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.pixel_conv(p.args, b, e, t); },
      [&](int64_t b, int64_t e, Tally* t) { uncounted.pixel_conv(p.args, b, e, t); }, planned,
      operands(p.padded, p.packed, p.bias));
  check_nest(loop_nest(p.args, counted.geometry), planned);
  const auto expected = reference::conv(c, p.x, p.w, p.b);
  CHECK(planned.tally.macs == expected.inside_products);
  // A sum of K products, each rounded up to twice without FMA, then the activation, within 3 units in the last place.
  const double unit = 0x1p-24 * (2 * static_cast<double>(p.taps()) + 2);
  size_t wrong = 0, touched = 0;
  const size_t ow = static_cast<size_t>(c.oW()), row = static_cast<size_t>(p.args.y_row);
  for (size_t r = 0; r < p.y.size() / row; ++r) {
    for (size_t j = 0; j < ow; ++j) {
      const double want = activated(expected.y[r * ow + j], o.epilogue), scale = expected.scale[r * ow + j];
      const double error = std::fabs(p.y[r * row + j] - want);
      wrong += !(error <= unit * scale + 6 * 0x1p-24);
    }
    for (size_t j = ow; j < row; ++j) {
      uint32_t bits;
      std::memcpy(&bits, &p.y[r * row + j], 4);
      touched += bits != 0xFFFFFFFFu;
    }
  }
  CHECK(wrong == 0);
  CHECK(touched == 0);
}

ConvCase shape(int64_t C, int64_t M, int64_t oh, int64_t ow, int64_t kh, int64_t kw) {
  ConvCase c;
  c.C = C;
  c.M = M;
  c.H = oh + kh - 1;
  c.W = ow + kw - 1;
  c.kH = kh;
  c.kW = kw;
  return c;
}

}  // namespace

TEST_CASE("pixel_conv: every row length, single and paired rows") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (int64_t ow = 1; ow <= 70; ow += ow < 37 ? 1 : 5) {
      for (const int64_t oh : {1, 2, 3}) check(counted, uncounted, shape(1, 3, oh, ow, 2, 3));
    }
  });
}

TEST_CASE("pixel_conv: every tile of output channels") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes;
    for (int tile = 1; tile <= counted.geometry.pixel_channels; ++tile) {
      for (const int64_t M : {1, tile - 1, tile, tile + 1, 13}) {
        if (M < 1) continue;
        for (const int64_t ow : {L, 3 * L + 3 * L / 4, 2 * L + L / 2, 5 * L - 1}) {
          check(counted, uncounted, shape(2, M, 5, ow, 3, 1), {.tile_channels = tile, .bias = (M + ow) % 2 == 0});
        }
      }
    }
  });
}

TEST_CASE("pixel_conv: padding, strides, dilation, groups, images") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    ConvCase c = shape(1, 6, 9, 28, 5, 5);
    c.pT = 2, c.pL = 1, c.pB = 1, c.pR = 3;
    check(counted, uncounted, c);
    c = shape(6, 8, 11, 13, 3, 3);
    c.G = 2, c.N = 3;
    c.pT = c.pL = c.pB = c.pR = 1;
    check(counted, uncounted, c);
    c.sH = 2;
    check(counted, uncounted, c);
    c.sH = 5;  // beyond the kernel
    check(counted, uncounted, c);
    c.dH = 3, c.dW = 2, c.sH = 2, c.pL = 4, c.pR = 0, c.pB = 5;
    check(counted, uncounted, c);
    c = shape(5, 5, 7, 19, 3, 3);
    c.G = 5;
    check(counted, uncounted, c);
    c = shape(3, 7, 1, 101, 1, 7);
    c.pL = 6, c.pR = 0;
    check(counted, uncounted, c);
    // Windows that lie wholly on padding.
    c = shape(1, 2, 4, 9, 2, 2);
    c.pT = 3, c.pB = 2, c.pR = 3;
    check(counted, uncounted, c);
    // More row pairs than go through a column of tiles at once.
    check(counted, uncounted, shape(1, 3, 71, 9, 2, 2));
  });
}

TEST_CASE("pixel_conv: activations") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int64_t ow : {24, 28, 31}) {
      const ConvCase c = shape(1, 6, 5, ow, 3, 3);
      const float inf = INFINITY;
      check(counted, uncounted, c, {.epilogue = {Activation::clamp, 0, inf}});
      check(counted, uncounted, c, {.epilogue = {Activation::clamp, 0, 0.5f}});
      check(counted, uncounted, c, {.epilogue = {Activation::clamp, -inf, 0.25f}});
      check(counted, uncounted, c, {.epilogue = {Activation::tanh, 0, 0}});
      check(counted, uncounted, c, {.epilogue = {Activation::sigmoid, 0, 0}});
    }
  });
}

TEST_CASE("pixel_conv: LeNet's first convolution has no lost lane on AVX-512, one tile layout by hand") {
  on_every_isa([](const KernelTable& counted, const KernelTable&) {
    Problem p(shape(1, 6, 28, 28, 5, 5), {}, counted.geometry);
    const Planned planned = planned_pixel_conv(p.args, counted.geometry);
    CHECK(planned.tally.macs == 117600);
    if (counted.geometry.lanes == 16) {
      // 14 row pairs, each one tile of 3 registers and a half for 25 taps: 56 pixels and 6 weights a tap, 6 biases.
      CHECK(planned.tally.lane_macs == 117600);
      CHECK(planned.loaded_activations == 14 * 25 * 56 * 4);
      CHECK(planned.loaded_weights == 14 * (25 * 6 + 6) * 4);
      CHECK(planned.stored_outputs == 6 * 28 * 28 * 4);
    }
  });
}
