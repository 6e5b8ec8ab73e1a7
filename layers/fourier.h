#pragma once
// Discrete Fourier transforms of any length, in double: mixed radix where no prime factor is large, else Bluestein's
// convolution. Every root of unity is computed when a transform is made; a run calls no function of the C library.
#include <cstdint>
#include <vector>

namespace tally {

struct Complex {
  double re = 0, im = 0;
};

/// Longest transform: its tables take a few MiB, its work memory more than any machine has.
inline constexpr int64_t kLongestTransform = int64_t{1} << 32;

/// e^(−2πi·k/n) for k in [0, n). Up to 2^16 of them lie in a table; beyond, each is the product of a coarse and a fine
/// one, so that memory grows with the root of n only.
class Roots {
 public:
  explicit Roots(int64_t n);
  Complex operator()(int64_t k) const;

 private:
  int64_t step_ = 1;  ///< coarse_[c] = e^(−2πi·c·step/n)
  std::vector<Complex> fine_, coarse_;
};

/// Complex numbers of work memory that were read and written.
struct WorkMoved {
  int64_t loaded = 0, stored = 0;
  WorkMoved& operator+=(const WorkMoved& other) {
    loaded += other.loaded;
    stored += other.stored;
    return *this;
  }
};

/// X_k = Σ_j x_j e^(−2πi·jk/n), j and k in [0, n). Immutable; threads may share it, each with work memory of its own.
/// Usage: begin(work, moved) once, then for each transform write n numbers to work + input() and call run().
class FourierTransform {
 public:
  /// 1 <= n <= kLongestTransform; throws std::bad_alloc.
  explicit FourierTransform(int64_t n);

  int64_t length() const { return n_; }
  /// Complex numbers of work memory.
  static int64_t work(int64_t n);
  /// Where in the work memory a run finds its operand.
  int64_t input() const { return convolves() ? m_ : 0; }

  /// Computes what all runs share.
  void begin(Complex* work, WorkMoved& moved) const noexcept;
  /// Transforms the operand; returns where the n results lie within the work memory.
  const Complex* run(Complex* work, WorkMoved& moved) const noexcept;

  /// What begin() and run() count, without the n numbers that the caller writes and the n that it reads.
  WorkMoved planned_begin() const;
  WorkMoved planned_run() const;

 private:
  bool convolves() const { return m_ != n_; }
  Complex* transform(Complex* x, Complex* other, WorkMoved& moved) const noexcept;
  Complex chirp(int64_t j) const;

  int64_t n_;                  ///< of the caller
  int64_t m_;                  ///< of the mixed-radix transform: n, or what the convolution needs
  std::vector<int> radices_;   ///< whose product is m
  Roots roots_, chirp_roots_;  ///< of m; of 2n where it convolves
};

/// 5·n·log2 n, rounded: real operations of one complex transform as FFT benchmarks count them, whatever its
/// factorisation (Frigo and Johnson, benchFFT). `real`: half of them, for a real operand.
int64_t fourier_operations(int64_t n, bool real);

}  // namespace tally
