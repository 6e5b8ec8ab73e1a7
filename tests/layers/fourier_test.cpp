// DFT and STFT against sums as the definition has them, in long double.
#include "tally/layers/fourier.h"

#include <complex>

#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;

using Number = std::complex<long double>;

/// Σ_j x_j e^(∓2πi·jk/n), divided by n where inverse.
std::vector<Number> naive(const std::vector<Number>& x, bool inverse = false) {
  const auto n = x.size();
  const long double turn = (inverse ? 2 : -2) * std::acos(-1.0L) / static_cast<long double>(n);
  std::vector<Number> y(n);
  for (size_t k = 0; k < n; ++k) {
    for (size_t j = 0; j < n; ++j) y[k] += x[j] * std::polar(1.0L, turn * static_cast<long double>(j * k % n));
    if (inverse) y[k] /= static_cast<long double>(n);
  }
  return y;
}

TEST_CASE("transforms of every kind of length") {
  for (const int64_t n : {1,  2,  3,  4,  5,  6,   7,   8,   9,   10,  12,  16,  25,  31,  37,   59,   60,
                          61, 62, 64, 67, 71, 100, 127, 128, 134, 256, 400, 480, 512, 521, 1000, 1009, 1024}) {
    CAPTURE(n);
    const FourierTransform transform(n);
    const std::vector<double> re = random_values(n, 1), im = random_values(n, 2);
    std::vector<Number> x;
    for (size_t j = 0; j < re.size(); ++j) x.emplace_back(re[j], im[j]);
    const std::vector<Number> expected = naive(x);
    std::vector<Complex> work(static_cast<size_t>(FourierTransform::work(n)));
    WorkMoved begun, moved;
    transform.begin(work.data(), begun);
    CHECK(begun.loaded == transform.planned_begin().loaded);
    CHECK(begun.stored == transform.planned_begin().stored);
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (size_t j = 0; j < x.size(); ++j) work[static_cast<size_t>(transform.input()) + j] = {re[j], im[j]};
      const Complex* y = transform.run(work.data(), moved);
      double worst = 0;
      for (size_t k = 0; k < x.size(); ++k)
        worst = std::max(worst, static_cast<double>(std::abs(Number(y[k].re, y[k].im) - expected[k])));
      // Every stage and product errs by a few ULP of a sum of n numbers of magnitude √2.
      CHECK(worst <= 16 * 0x1p-53 * static_cast<double>(n) * (1 + std::log2(static_cast<double>(n))));
    }
    CHECK(moved.loaded == 2 * transform.planned_run().loaded);
    CHECK(moved.stored == 2 * transform.planned_run().stored);
  }
}

TEST_CASE("roots of unity beyond one table") {
  for (const int64_t n : {int64_t{65536}, int64_t{65537}, int64_t{1} << 20, int64_t{3} << 30}) {
    const Roots roots(n);
    for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{12345}, n / 3, n / 2, 3 * (n / 4), n - 1}) {
      const Number w =
          std::polar(1.0L, -2 * std::acos(-1.0L) * static_cast<long double>(k) / static_cast<long double>(n));
      CHECK(std::abs(static_cast<double>(w.real()) - roots(k).re) <= 4 * 0x1p-53);
      CHECK(std::abs(static_cast<double>(w.imag()) - roots(k).im) <= 4 * 0x1p-53);
    }
  }
}

TEST_CASE("operations of a transform, by hand") {
  CHECK(fourier_operations(1, false) == 0);
  CHECK(fourier_operations(8, false) == 5 * 8 * 3);
  CHECK(fourier_operations(8, true) == 60);
  CHECK(fourier_operations(6, true) == 39);  // 15·2.585
}

Tensor integer(int64_t value, DType type = DType::i64) { return typed_tensor(type, {}, {static_cast<double>(value)}); }

struct Problem {
  Shape x{2, 5, 3, 2};
  int64_t axis = 1, length = -1;
  bool inverse = false, onesided = false;
};

/// The DFT along one axis, in the layout of the operator.
std::vector<double> expected_dft(const Problem& p, const std::vector<double>& x) {
  const auto axis = static_cast<size_t>(p.axis);
  const int64_t parts = p.x.back(), n = p.length < 0 ? p.x[axis] : p.length, bins = p.onesided ? n / 2 + 1 : n;
  int64_t outer = 1, inner = 1;
  for (size_t d = 0; d + 1 < p.x.size(); ++d) (d < axis ? outer : inner) *= d == axis ? 1 : p.x[d];
  std::vector<double> y(static_cast<size_t>(outer * bins * inner * 2));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      std::vector<Number> row(static_cast<size_t>(n));
      for (int64_t j = 0; j < std::min(n, p.x[axis]); ++j) {
        const auto at = static_cast<size_t>(((o * p.x[axis] + j) * inner + i) * parts);
        row[static_cast<size_t>(j)] = {x[at], parts == 2 ? x[at + 1] : 0};
      }
      const std::vector<Number> bin = naive(row, p.inverse);
      for (int64_t k = 0; k < bins; ++k) {
        const auto at = static_cast<size_t>(((o * bins + k) * inner + i) * 2);
        y[at] = static_cast<double>(bin[static_cast<size_t>(k)].real());
        y[at + 1] = static_cast<double>(bin[static_cast<size_t>(k)].imag());
      }
    }
  return y;
}

GraphMaker dft(const Problem& p, const Tensor& x, int opset) {
  GraphMaker g;
  std::vector<std::string> names{"x"};
  g.input("x", x);
  names.push_back(p.length < 0 ? "" : "n");
  if (p.length >= 0) g.input("n", integer(p.length, p.length % 2 == 0 ? DType::i32 : DType::i64));
  std::map<std::string, Attribute> attributes{{"inverse", int64_t{p.inverse}}, {"onesided", int64_t{p.onesided}}};
  if (opset < 20) {
    attributes["axis"] = p.axis;
  } else {
    names.push_back("axis");
    g.input("axis", integer(p.axis));
  }
  return g.node("DFT", names, "y", attributes, opset).output("y");
}

/// One rounding to the type (by way of float32 where it is shorter), of a sum of n numbers below √2 whose every stage
/// and product errs by a few ULP.
double allowed(DType type, double expected, int64_t n) {
  const double unit = type == DType::f64   ? 0x1p-53
                      : type == DType::f32 ? 0x1p-24
                      : type == DType::f16 ? 0x1p-11
                                           : 0x1p-8;
  const auto count = static_cast<double>(n);
  const double least = type == DType::f16 ? 0x1p-14 : 0;  // below it a unit no longer shrinks
  return 1.0001 * unit * std::max(std::abs(expected), least) + 16 * 0x1p-53 * count * (1 + std::log2(count));
}

TEST_CASE("DFT: axes, directions, halves, lengths, types") {
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::bf16})
    for (const int64_t parts : {1, 2})
      for (const int64_t axis : {0, 1, 2})
        for (const int64_t length : {-1, 1, 4, 7, 67})
          for (const bool inverse : {false, true})
            for (const bool onesided : {false, true}) {
              if (onesided && parts == 2) continue;
              const Problem p{{2, 5, 3, parts}, axis, length, inverse, onesided};
              CAPTURE(name_of(type));
              CAPTURE(parts);
              CAPTURE(axis);
              CAPTURE(length);
              CAPTURE(inverse);
              CAPTURE(onesided);
              const Tensor x = typed_tensor(type, p.x, random_values(element_count(p.x), 3));
              const Ran ran = run_graph(dft(p, x, length == 4 ? 17 : 20), Isa::scalar);
              const std::vector<double> expected = expected_dft(p, x.to_double()), found = ran.outputs[0].to_double();
              REQUIRE(found.size() == expected.size());
              CHECK(ran.outputs[0].dtype() == type);
              for (size_t i = 0; i < found.size(); ++i)
                CHECK(std::abs(found[i] - expected[i]) <= allowed(type, expected[i], length < 0 ? 5 : length));
            }
}

TEST_CASE("DFT: default axes, of the attribute and of the input") {
  const Tensor x = float_tensor({2, 3, 4, 1}, random_values(24, 4));
  const auto run = [&](int opset) { return result_of("DFT", {x}, {}, opset); };
  CHECK(run(17) == result_of("DFT", {x}, {{"axis", int64_t{-3}}}, 17));
  CHECK(run(20) == result_of("DFT", {x}, {{"axis", int64_t{2}}}, 17));
}

TEST_CASE("DFT: cost") {
  const Tensor x = float_tensor({3, 8, 2, 1}, random_values(48, 4));
  const Ran ran = run_graph(dft({x.shape(), 1, -1, false, true}, x, 20), Isa::scalar);
  const NodeEstimate& row = ran.plan->estimate.layers[0];
  CHECK(row.cost.elementwise == 6 * 60);
  CHECK(row.cost.macs == 0);
  CHECK(row.cost.coverage == Coverage::approximate);
  CHECK(row.bytes_read == 48 * 4);
  CHECK(row.bytes_written == 3 * 5 * 2 * 2 * 4);
}

TEST_CASE("DFT: bad operands") {
  const auto error = [](const Problem& p, int opset = 20) {
    return error_text(dft(p, float_tensor(p.x, random_values(element_count(p.x), 5)), opset));
  };
  CHECK(error({{2, 3, 3}, 1}) ==
        "DFT 'y': x of shape 2x3x3 must have rank >= 2, its last extent 1 (real) or 2 (complex)");
  CHECK(error({{2, 3, 1}, 2}) == "DFT 'y': axis=2 must not be the last: it holds the parts of a number");
  CHECK(error({{2, 3, 1}, -1}).find("must not be the last") != std::string::npos);
  CHECK(error({{2, 3, 1}, 3}).find("3") != std::string::npos);
  CHECK(error({{2, 3, 2}, 1, -1, false, true}).find("onesided=1 of complex numbers") != std::string::npos);
  CHECK(error({{2, 3, 1}, 1, 0}) == "DFT 'y': transforms of length 0 must be of 1 to 2^32");
  CHECK(error({{2, 3, 1}, 1, int64_t{1} << 40}).find("2^32") != std::string::npos);
  CHECK(error({{2, 0, 1}, 1}).find("length 0") != std::string::npos);
  CHECK(error_text(one_node("DFT", {typed_tensor(DType::i32, {2, 2, 1}, {1, 2, 3, 4})})).find("x of type int32") !=
        std::string::npos);
  CHECK(error_text(one_node("DFT", {float_tensor({2, 2, 1}, {1, 2, 3, 4}), float_tensor({}, {2})})) ==
        "DFT 'y': dft_length of type float32 must be int32 or int64");
}

TEST_CASE("DFT: no rows at all") {
  const Tensor x(DType::f32, {0, 4, 1});
  CHECK(run_graph(dft({x.shape(), 1}, x, 20), Isa::scalar).outputs[0].shape() == Shape{0, 4, 2});
}

TEST_CASE("DFT streams where time runs along another axis") {
  CHECK(stream_of("DFT", {{2, 5, 4, 1}}, {1}, {{"axis", int64_t{2}}}, {}, 17).time_axes == std::vector<int>{1});
  CHECK(!stream_of("DFT", {{2, 5, 4, 1}}, {2}, {{"axis", int64_t{2}}}, {}, 17).obstacle.empty());
}

struct Frames {
  int64_t B = 2, L = 23, step = 3, n = 8;
  bool complex = false, onesided = true, windowed = true, says_length = true, constant = false;
};

GraphMaker stft(const Frames& f, DType type) {
  GraphMaker g;
  const int64_t parts = f.complex ? 2 : 1;
  g.input("x", typed_tensor(type, {f.B, f.L, parts}, random_values(f.B * f.L * parts, 6)));
  g.input("step", integer(f.step));
  const Tensor window = typed_tensor(type, {f.n}, random_values(f.n, 7));
  if (f.windowed) f.constant ? g.constant("w", window) : g.input("w", window);
  if (f.says_length) g.input("n", integer(f.n));
  return g
      .node("STFT", {"x", "step", f.windowed ? "w" : "", f.says_length ? "n" : ""}, "y",
            {{"onesided", int64_t{f.onesided}}})
      .output("y");
}

std::vector<double> expected_stft(const Frames& f, const GraphMaker& g) {
  const std::vector<double> x = g.feeds.at("x").to_double();
  const std::vector<double> window = !f.windowed  ? std::vector<double>(static_cast<size_t>(f.n), 1)
                                     : f.constant ? g.graph.initializers.at("w").to_double()
                                                  : g.feeds.at("w").to_double();
  std::vector<double> y;
  for (int64_t b = 0; b < f.B; ++b)
    for (int64_t first = 0; first + f.n <= f.L; first += f.step) {
      std::vector<Number> row;
      for (int64_t j = 0; j < f.n; ++j) {
        const auto at = static_cast<size_t>((b * f.L + first + j) * (f.complex ? 2 : 1));
        row.push_back(Number(x[at], f.complex ? x[at + 1] : 0) * Number(window[static_cast<size_t>(j)]));
      }
      const std::vector<Number> bins = naive(row);
      for (size_t k = 0; k < (f.onesided ? bins.size() / 2 + 1 : bins.size()); ++k) {
        y.push_back(static_cast<double>(bins[k].real()));
        y.push_back(static_cast<double>(bins[k].imag()));
      }
    }
  return y;
}

TEST_CASE("STFT: frames, windows, halves, types") {
  std::vector<Frames> problems{{}, {1, 8, 1, 8}, {1, 9, 100, 9}, {3, 20, 1, 7}, {1, 80, 5, 67}};
  problems.push_back({.windowed = false});
  problems.push_back({.says_length = false});
  problems.push_back({.n = 23, .windowed = false, .says_length = false});
  problems.push_back({.complex = true, .onesided = false});
  problems.push_back({.onesided = false, .constant = true});
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::bf16})
    for (const Frames& f : problems) {
      CAPTURE(name_of(type));
      CAPTURE(f.n);
      const GraphMaker g = stft(f, type);
      const Ran ran = run_graph(g, Isa::scalar);
      const std::vector<double> expected = expected_stft(f, g), found = ran.outputs[0].to_double();
      CHECK(ran.outputs[0].shape() == Shape{f.B, (f.L - f.n) / f.step + 1, f.onesided ? f.n / 2 + 1 : f.n, 2});
      REQUIRE(found.size() == expected.size());
      for (size_t i = 0; i < found.size(); ++i)
        CHECK(std::abs(found[i] - expected[i]) <= allowed(type, expected[i], f.n));
    }
}

TEST_CASE("STFT: cost, with a window's products") {
  const Ran ran = run_graph(stft({.constant = true}, DType::f32), Isa::scalar);
  const NodeEstimate& row = ran.plan->estimate.layers[0];
  CHECK(row.cost.elementwise == 2 * 6 * (60 + 8));
  CHECK(row.constants == 8);
  CHECK(row.params == 0);
}

TEST_CASE("STFT: bad operands") {
  const auto error = [](const Frames& f) { return error_text(stft(f, DType::f32)); };
  CHECK(error({.step = 0}) == "STFT 'y': frame_step 0 must be >= 1");
  CHECK(error({.n = 24}) == "STFT 'y': frames of length 24 must be at most the signal's, 23");
  CHECK(error({.complex = true}) == "STFT 'y': onesided=1 of complex numbers must be 0");
  GraphMaker g = stft({}, DType::f32);
  g.feeds["n"] = integer(7);
  CHECK(error_text(g) == "STFT 'y': window of 8 elements must have frame_length=7");
  g.feeds["n"] = integer(-1);
  CHECK(error_text(g).find("frames of length -1") != std::string::npos);
}

}  // namespace
