#include "tally/layers/fourier.h"

#include <cmath>
#include <limits>
#include <utility>

namespace tally {

namespace {

constexpr double kPi = 3.14159265358979323846;
/// Most roots that lie in one table.
constexpr int64_t kTableRoots = 1 << 16;
/// Largest prime that is a radix: a butterfly of p numbers takes p² products, the convolution about 150 a number.
constexpr int kLargestRadix = 61;

Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
Complex conjugate(Complex a) { return {a.re, -a.im}; }
/// −i·a.
Complex turned(Complex a) { return {a.im, -a.re}; }

/// e^(−2πi·k/n), 0 <= k <= n, from an angle of at most an eighth of a turn: as exact as double allows.
Complex root_of_unity(int64_t k, int64_t n) {
  const int64_t quarter = k * 4 / n;                                                    // turns left out
  const auto rest = static_cast<double>(k * 4 - quarter * n) / static_cast<double>(n);  // in quarter turns
  const double angle = kPi / 2 * (rest <= 0.5 ? rest : 1 - rest);
  double c = std::cos(angle), s = std::sin(angle);
  if (rest > 0.5) std::swap(c, s);
  Complex w{c, -s};
  for (int64_t q = 0; q < quarter % 4; ++q) w = turned(w);
  return w;
}

/// The primes of n, fours instead of pairs of twos; empty where one is larger than any radix.
std::vector<int> radices_of(int64_t n) {
  std::vector<int> radices;
  const auto take = [&](int radix) {
    for (; n % radix == 0; n /= radix) radices.push_back(radix);
  };
  take(4);
  for (int radix = 2; radix <= kLargestRadix && n > 1; ++radix) take(radix);
  return n == 1 ? radices : std::vector<int>{};
}

/// Length of the mixed-radix transform: n, or a power of two that holds a convolution of n with 2n − 1 numbers.
int64_t padded_length(int64_t n) {
  if (n == 1 || !radices_of(n).empty()) return n;
  int64_t m = 1;
  while (m < 2 * n - 1) m *= 2;
  return m;
}

/// y[t·to] = Σ_j x[j·from] e^(−2πi·jt/p)·w^t for t in [0, p): one butterfly.
void butterfly(int p, const Complex* x, int64_t from, Complex* y, int64_t to, const Complex* w, const Complex* unity) {
  if (p == 4) {
    const Complex a = x[0], b = x[from], c = x[2 * from], d = x[3 * from];
    const Complex even = a + c, odd = b + d, left = a - c, right = turned(b - d);
    y[0] = even + odd;
    y[to] = (left + right) * w[1];
    y[2 * to] = (even - odd) * w[2];
    y[3 * to] = (left - right) * w[3];
    return;
  }
  if (p == 2) {
    const Complex a = x[0], b = x[from];
    y[0] = a + b;
    y[to] = (a - b) * w[1];
    return;
  }
  Complex a[kLargestRadix];
  for (int j = 0; j < p; ++j) a[j] = x[j * from];
  for (int t = 0; t < p; ++t) {
    Complex sum = a[0];
    for (int j = 1; j < p; ++j) sum = sum + a[j] * unity[j * t % p];
    y[t * to] = sum * w[t];
  }
}

}  // namespace

Roots::Roots(int64_t n) {
  while (n / step_ > kTableRoots) step_ *= 2;
  const int64_t fine = step_ == 1 ? n : step_;
  for (int64_t k = 0; k < fine; ++k) fine_.push_back(root_of_unity(k, n));
  if (step_ == 1) return;
  for (int64_t k = 0; k < n; k += step_) coarse_.push_back(root_of_unity(k, n));
}

Complex Roots::operator()(int64_t k) const {
  if (coarse_.empty()) return fine_[static_cast<size_t>(k)];
  return coarse_[static_cast<size_t>(k / step_)] * fine_[static_cast<size_t>(k % step_)];
}

FourierTransform::FourierTransform(int64_t n)
    : n_(n), m_(padded_length(n)), radices_(radices_of(m_)), roots_(m_), chirp_roots_(convolves() ? 2 * n : 1) {}

int64_t FourierTransform::work(int64_t n) {
  const int64_t m = padded_length(n);
  return m == n ? 2 * n : 3 * m;
}

/// Stockham's order: every stage takes one radix p out of the length and writes to the other half of the memory, so
/// that results come out sorted. Returns the half that holds them.
Complex* FourierTransform::transform(Complex* x, Complex* other, WorkMoved& moved) const noexcept {
  Complex twiddles[kLargestRadix], unity[kLargestRadix];
  int64_t length = m_, stride = 1;
  for (const int p : radices_) {
    const int64_t part = length / p;
    for (int j = 0; j < p; ++j) unity[j] = roots_(m_ / p * j);
    for (int64_t q = 0; q < part; ++q) {
      for (int t = 0; t < p; ++t) twiddles[t] = roots_(q * t * stride);
      for (int64_t k = 0; k < stride; ++k) {
        butterfly(p, x + k + stride * q, stride * part, other + k + stride * p * q, stride, twiddles, unity);
        moved += {p, p};
      }
    }
    length = part;
    stride *= p;
    std::swap(x, other);
  }
  return x;
}

/// e^(−πi·j²/n); j < n ≤ 2^32.
Complex FourierTransform::chirp(int64_t j) const {
  const uint64_t square = static_cast<uint64_t>(j) * static_cast<uint64_t>(j);
  return chirp_roots_(static_cast<int64_t>(square % static_cast<uint64_t>(2 * n_)));
}

// Bluestein: jk = (j² + k² − (k − j)²)/2, so X_k = c_k Σ_j (x_j c_j)·conj(c_(k−j)): a convolution, made by two
// transforms of a convenient length and, once, the transform of conj(c).
void FourierTransform::begin(Complex* work, WorkMoved& moved) const noexcept {
  if (!convolves()) return;
  Complex *kernel = work, *other = work + m_;
  for (int64_t j = 0; j < m_; ++j) {
    const int64_t distance = j < n_ ? j : m_ - j;
    kernel[j] = distance < n_ ? conjugate(chirp(distance)) : Complex{};
    ++moved.stored;
  }
  const Complex* result = transform(kernel, other, moved);
  if (result == kernel) return;
  for (int64_t j = 0; j < m_; ++j) {
    kernel[j] = result[j];
    moved += {1, 1};
  }
}

const Complex* FourierTransform::run(Complex* work, WorkMoved& moved) const noexcept {
  if (!convolves()) return transform(work, work + m_, moved);
  const Complex* kernel = work;
  Complex *x = work + m_, *other = work + 2 * m_;
  for (int64_t j = 0; j < m_; ++j) {
    x[j] = j < n_ ? x[j] * chirp(j) : Complex{};
    moved += {j < n_, 1};
  }
  Complex* spectrum = transform(x, other, moved);
  for (int64_t j = 0; j < m_; ++j) {  // conjugate: the transform back is a transform too
    spectrum[j] = conjugate(spectrum[j] * kernel[j]);
    moved += {2, 1};
  }
  Complex* result = transform(spectrum, spectrum == x ? other : x, moved);
  const double scale = 1 / static_cast<double>(m_);
  for (int64_t k = 0; k < n_; ++k) {
    result[k] = conjugate(result[k]) * chirp(k) * Complex{scale, 0};
    moved += {1, 1};
  }
  return result;
}

WorkMoved FourierTransform::planned_begin() const {
  if (!convolves()) return {};
  const int64_t stages = static_cast<int64_t>(radices_.size()), copies = stages % 2;
  return {(stages + copies) * m_, (stages + copies + 1) * m_};
}

WorkMoved FourierTransform::planned_run() const {
  const int64_t passes = static_cast<int64_t>(radices_.size()) * m_;
  if (!convolves()) return {passes, passes};
  return {2 * passes + 2 * m_ + 2 * n_, 2 * passes + 2 * m_ + n_};
}

int64_t fourier_operations(int64_t n, bool real) {
  const double operations = (real ? 2.5 : 5) * static_cast<double>(n) * std::log2(static_cast<double>(n));
  return operations < 0x1p62 ? std::llround(operations) : std::numeric_limits<int64_t>::max();
}

}  // namespace tally
