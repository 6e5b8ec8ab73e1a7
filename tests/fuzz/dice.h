#pragma once
// Choices of a mutator: reproducible from libFuzzer's seed, and skewed to the values at which code breaks.
#include <cstdint>
#include <iterator>
#include <limits>
#include <random>

namespace tally::test {

class Dice {
 public:
  explicit Dice(uint32_t seed) : generator_(seed) {}

  /// In [0, n); 0 for n = 0.
  size_t below(size_t n) { return n == 0 ? 0 : generator_() % n; }
  /// True once in n.
  bool one_in(size_t n) { return below(n) == 0; }
  template <class Container>
  auto& of(Container& container) {
    return *std::next(std::begin(container), static_cast<std::ptrdiff_t>(below(std::size(container))));
  }

  /// Mostly small, sometimes at the edge of a type.
  int64_t integer() {
    constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = std::numeric_limits<int64_t>::min();
    constexpr int64_t kEdges[] = {-1,
                                  0,
                                  1,
                                  63,
                                  64,
                                  65,
                                  127,
                                  128,
                                  255,
                                  256,
                                  65535,
                                  4096,
                                  0x7fffff,
                                  0x7fffffff,
                                  0x80000000,
                                  0xffffffff,
                                  -0x7fffffff,
                                  -0x80000000LL,
                                  int64_t{1} << 40,
                                  kMax,
                                  kMin,
                                  kMax / 2,
                                  kMin + 1};
    return one_in(6) ? of(kEdges) : static_cast<int64_t>(below(12)) - 3;
  }
  /// An extent: rarely large.
  int64_t extent() { return one_in(12) ? integer() : static_cast<int64_t>(below(6)); }
  float real() {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kEdges[] = {0.0f,  -0.0f,  1.0f,      -1.0f,      0.5f,  1e-38f,
                                1e38f, -1e38f, kInfinity, -kInfinity, 1e-5f, std::numeric_limits<float>::quiet_NaN()};
    return one_in(3) ? of(kEdges) : static_cast<float>(below(2000)) / 500.0f - 2.0f;
  }

 private:
  std::mt19937 generator_;
};

}  // namespace tally::test
