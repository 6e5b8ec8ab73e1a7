// depthwise of every usable ISA against the definition in double: tiles, edges, strides, dilation, channel tails,
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

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// C is the number of real channels; G = M = C are set here.
void check(const KernelTable& counted, const KernelTable& uncounted, ConvCase c, bool with_bias = true,
           Epilogue epilogue = {}) {
  c.G = c.M = c.C;
  const Geometry& geometry = counted.geometry;
  const int64_t pad = geometry.channel_pad, channels = (c.C + pad - 1) / pad * pad, taps = c.kH * c.kW;
  const std::string text = std::to_string(c.N) + "x" + std::to_string(c.H) + "x" + std::to_string(c.W) + "x" +
                           std::to_string(c.C) + " kernel " + std::to_string(c.kH) + "x" + std::to_string(c.kW) +
                           " stride " + std::to_string(c.sH) + "," + std::to_string(c.sW) + " pads " +
                           std::to_string(c.pT) + "," + std::to_string(c.pL) + "," + std::to_string(c.pB) + "," +
                           std::to_string(c.pR) + " dilation " + std::to_string(c.dH) + "," + std::to_string(c.dW);
  CAPTURE(text);
  std::vector<float> x(at(c.N * c.C * c.H * c.W)), w(at(c.C * taps)), b(at(with_bias ? c.C : 0));
  fill_random(x, 1);
  fill_random(w, 2);
  fill_random(b, 3);
  Floats last(at(c.N * c.H * c.W * channels)), packed(at(taps * channels)), bias(at(channels));
  Floats y(at(c.N * c.oH() * c.oW() * channels));
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t p = 0; p < c.H * c.W; ++p)
      for (int64_t k = 0; k < channels; ++k)
        last[at((n * c.H * c.W + p) * channels + k)] = k < c.C ? x[at((n * c.C + k) * c.H * c.W + p)] : 0.0f;
  pack_depthwise(w.data(), static_cast<int>(taps), static_cast<int>(c.C), static_cast<int>(channels), packed.data());
  if (with_bias) pack_depthwise(b.data(), 1, static_cast<int>(c.C), static_cast<int>(channels), bias.data());

  DepthwiseArgs args;
  args.x = last.data();
  args.w = packed.data();
  args.bias = with_bias ? bias.data() : nullptr;
  args.y = y.data();
  const auto narrow = [](int64_t v) { return static_cast<int32_t>(v); };
  args.images = narrow(c.N), args.h = narrow(c.H), args.w_in = narrow(c.W), args.oh = narrow(c.oH()),
  args.ow = narrow(c.oW());
  args.channels = narrow(channels), args.real_channels = narrow(c.C);
  args.kh = narrow(c.kH), args.kw = narrow(c.kW), args.sh = narrow(c.sH), args.sw = narrow(c.sW);
  args.dh = narrow(c.dH), args.dw = narrow(c.dW), args.pt = narrow(c.pT), args.pl = narrow(c.pL);
  args.epilogue = epilogue;
  const Planned planned = planned_depthwise(args, geometry);
  check_kernel(
      y, args.items(), [&](int64_t i, int64_t e, Tally* t) { counted.depthwise(args, i, e, t); },
      [&](int64_t i, int64_t e, Tally* t) { uncounted.depthwise(args, i, e, t); }, planned,
      operands(last, packed, bias));
  check_nest(loop_nest(args, geometry), planned);

  const auto expected = reference::conv(c, {x.begin(), x.end()}, {w.begin(), w.end()}, {b.begin(), b.end()});
  CHECK(planned.tally.macs == expected.inside_products);
  const double unit = 0x1p-24 * (2 * static_cast<double>(taps) + 2);
  size_t wrong = 0;
  const int64_t pixels = c.oH() * c.oW();
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t k = 0; k < c.C; ++k)
      for (int64_t p = 0; p < pixels; ++p) {
        const size_t i = at((n * c.C + k) * pixels + p);
        double want = expected.y[i];
        if (epilogue.activation == Activation::clamp) want = std::fmax(epilogue.lo, std::fmin(epilogue.hi, want));
        if (epilogue.activation == Activation::tanh) want = std::tanh(want);
        if (epilogue.activation == Activation::sigmoid) want = 1 / (1 + std::exp(-want));
        const double error = std::fabs(y[at((n * pixels + p) * channels + k)] - want);
        wrong += !(error <= unit * expected.scale[i] + 6 * 0x1p-24);
      }
  CHECK(wrong == 0);
}

ConvCase shape(int64_t H, int64_t W, int64_t C, int64_t k, int64_t s, int64_t pad) {
  ConvCase c;
  c.C = C;
  c.H = H;
  c.W = W;
  c.kH = c.kW = k;
  c.sH = c.sW = s;
  c.pT = c.pL = c.pB = c.pR = pad;
  return c;
}

}  // namespace

TEST_CASE("depthwise: 3 × 3, every width and edge") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int64_t stride : {1, 2}) {
      for (int64_t W = 1; W <= 19; ++W) {
        for (int pads = 0; pads < 16; ++pads) {
          ConvCase c = shape(1 + W % 5, W, 9, 3, stride, 0);
          c.pT = pads & 1, c.pL = pads >> 1 & 1, c.pB = pads >> 2 & 1, c.pR = pads >> 3 & 1;
          if (c.H + c.pT + c.pB < 3 || c.W + c.pL + c.pR < 3) continue;
          check(counted, uncounted, c, W % 2 == 0);
        }
      }
    }
  });
}

TEST_CASE("depthwise: channel counts") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int64_t C : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40, 64}) {
      check(counted, uncounted, shape(7, 5, C, 3, 1, 1));
      check(counted, uncounted, shape(6, 9, C, 5, 1, 2));
      check(counted, uncounted, shape(6, 9, C, 2, 2, 0), false);
    }
  });
}

TEST_CASE("depthwise: any kernel, stride, dilation, padding") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    ConvCase c = shape(11, 23, 20, 3, 1, 1);
    for (const int64_t d : {1, 2, 3, 9}) {
      for (const int64_t s : {1, 2, 3, 7}) {
        c.dW = d, c.dH = 1 + d / 2, c.sH = s, c.sW = 1 + s / 2;
        c.pT = d, c.pL = 2 * d, c.pB = 0, c.pR = 1;
        check(counted, uncounted, c);
      }
    }
    c = shape(10, 13, 6, 1, 1, 0);
    c.kH = 7, c.kW = 2, c.N = 3, c.pT = 6, c.pR = 5;
    check(counted, uncounted, c);
    c = shape(1, 40, 8, 1, 1, 0);  // one-dimensional
    c.kW = 9, c.pL = 4, c.pR = 4;
    check(counted, uncounted, c);
    check(counted, uncounted, shape(5, 5, 8, 3, 1, 2));  // two columns of padding
    check(counted, uncounted, shape(9, 9, 8, 3, 3, 1));  // stride 3
    c = shape(2, 2, 8, 3, 2, 1);
    c.N = 2;
    check(counted, uncounted, c);
    c = shape(3, 3, 8, 2, 3, 4);  // windows that lie wholly on padding
    check(counted, uncounted, c);
  });
}

TEST_CASE("depthwise: activations") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int64_t k : {3, 4}) {
      const ConvCase c = shape(5, 8, 24, k, 1, 1);
      check(counted, uncounted, c, true, {Activation::clamp, 0, 6});
      check(counted, uncounted, c, true, {Activation::clamp, 0, INFINITY});
      check(counted, uncounted, c, true, {Activation::tanh, 0, 0});
      check(counted, uncounted, c, true, {Activation::sigmoid, 0, 0});
    }
  });
}

TEST_CASE("depthwise: products with padding are left out, by hand") {
  // 25 × 5 × 64 under 3 × 3 with a border of one: rows meet 3·25 − 2 kernel rows, columns 3·5 − 2 taps.
  DepthwiseArgs a;
  a.h = a.oh = 25, a.w_in = a.ow = 5, a.channels = a.real_channels = 64, a.kh = a.kw = 3, a.pt = a.pl = 1;
  const Planned p = planned_depthwise(a, kernel_table(Isa::scalar, true).geometry);
  CHECK(p.tally.macs == 73 * 13 * 64);
  CHECK(p.tally.lane_macs == p.tally.macs);
}
