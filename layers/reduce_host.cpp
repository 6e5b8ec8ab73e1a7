// Reductions by plain loops: every type, any axes.
#include <cmath>
#include <limits>

#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/reduce.h"

namespace tally {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A set of reals; sums in double.
class RealSet {
 public:
  explicit RealSet(Reduction reduction) : reduction_(reduction) {
    if (reduction == Reduction::prod) sum_ = 1;
    if (reduction == Reduction::max) sum_ = -kInfinity;
    if (reduction == Reduction::min) sum_ = kInfinity;
  }
  void take(double x) {
    switch (reduction_) {
      case Reduction::sum:
      case Reduction::mean:
      case Reduction::log_sum:
        sum_ += x;
        break;
      case Reduction::l1:
        sum_ += std::abs(x);
        break;
      case Reduction::l2:
      case Reduction::sum_square:
        sum_ += x * x;
        break;
      case Reduction::prod:
        sum_ *= x;
        break;
      case Reduction::max:
        if (x > sum_ || std::isnan(x)) sum_ = x;
        break;
      case Reduction::min:
        if (x < sum_ || std::isnan(x)) sum_ = x;
        break;
      case Reduction::log_sum_exp:
        take_exponential(x);
        break;
    }
  }
  double result(int64_t count) const {
    if (reduction_ == Reduction::mean) return sum_ / static_cast<double>(count);
    if (reduction_ == Reduction::l2) return std::sqrt(sum_);
    if (reduction_ == Reduction::log_sum) return std::log(sum_);
    if (reduction_ == Reduction::log_sum_exp) return std::isinf(largest_) ? largest_ : largest_ + std::log(sum_);
    return sum_;
  }

 private:
  /// sum_ = Σ e^(x − largest_), so that nothing overflows.
  void take_exponential(double x) {
    if (x == -kInfinity) return;
    if (x > largest_) {
      sum_ = sum_ * std::exp(largest_ - x) + 1;
      largest_ = x;
    } else {
      sum_ += largest_ == kInfinity ? 0 : std::exp(x - largest_);
    }
    if (std::isnan(x)) largest_ = x;
  }

  Reduction reduction_;
  double sum_ = 0, largest_ = -kInfinity;
};

/// A set of integers of type T: sums modulo 2^64; roots and logarithms in double, cut off.
template <class T>
class IntegerSet {
 public:
  explicit IntegerSet(Reduction reduction) : reduction_(reduction), real_(reduction) {
    if (reduction == Reduction::prod) sum_ = 1;
    if (reduction == Reduction::max) extreme_ = std::numeric_limits<T>::lowest();
    if (reduction == Reduction::min) extreme_ = std::numeric_limits<T>::max();
  }
  void take(T x) {
    const uint64_t v = to_sum(x);
    switch (reduction_) {
      case Reduction::sum:
      case Reduction::mean:
        sum_ += v;
        break;
      case Reduction::l1:
        sum_ += x < T{0} ? 0 - v : v;
        break;
      case Reduction::sum_square:
        sum_ += v * v;
        break;
      case Reduction::prod:
        sum_ *= v;
        break;
      case Reduction::max:
        if (x > extreme_) extreme_ = x;
        break;
      case Reduction::min:
        if (x < extreme_) extreme_ = x;
        break;
      default:
        real_.take(static_cast<double>(x));
    }
  }
  T result(int64_t count) const {
    switch (reduction_) {
      case Reduction::max:
      case Reduction::min:
        return extreme_;
      case Reduction::mean:
        if (count == 0) return 0;
        return std::is_signed_v<T> ? static_cast<T>(static_cast<int64_t>(sum_) / count)
                                   : static_cast<T>(sum_ / static_cast<uint64_t>(count));
      case Reduction::l2:
      case Reduction::log_sum:
      case Reduction::log_sum_exp: {
        const double y = real_.result(count);
        return y > static_cast<double>(std::numeric_limits<T>::lowest()) &&
                       y < static_cast<double>(std::numeric_limits<T>::max())
                   ? static_cast<T>(y)
                   : std::numeric_limits<T>::lowest();
      }
      default:
        return static_cast<T>(sum_);
    }
  }

 private:
  Reduction reduction_;
  uint64_t sum_ = 0;
  T extreme_{};
  RealSet real_;
};

/// Calls f(x) for every element of a set.
template <class T, class F>
void for_each(std::span<const ReduceLoop> loops, const T* x, F& f) {
  if (loops.empty()) return f(*x);
  const ReduceLoop& loop = loops.front();
  for (int64_t i = 0; i < loop.size; ++i) for_each(loops.subspan(1), x + i * loop.stride, f);
}

template <class T>
struct Walk {
  const ReduceLoops& loops;
  Reduction reduction;
  T* y;
  int64_t read = 0;

  void kept(size_t depth, const T* x) {
    if (depth == loops.kept.size()) return reduce(x);
    const ReduceLoop& loop = loops.kept[depth];
    // Of a tensor without elements there may be no address to add to.
    for (int64_t i = 0; i < loop.size; ++i) kept(depth + 1, x == nullptr ? x : x + i * loop.stride);
  }

  void reduce(const T* x) {
    if constexpr (std::is_integral_v<T>) {
      IntegerSet<T> set(reduction);
      walk(x, [&](T v) { set.take(v); });
      *y++ = set.result(loops.count);
    } else {
      RealSet set(reduction);
      walk(x, [&](T v) { set.take(to_sum(v)); });
      *y++ = from_sum<T>(set.result(loops.count));
    }
  }

  template <class F>
  void walk(const T* x, F take) {
    const auto one = [&](T v) {
      take(v);
      ++read;
    };
    if (loops.count > 0) for_each<T>(loops.reduced, x, one);
  }
};

}  // namespace

void add_host_reduction(Preparation& p, Reduction reduction, const ReduceLoops& loops) {
  const Operand& x = p.inputs()[Reduce::kX];
  with_element_type(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      Walk<T> walk{loops, reduction, reinterpret_cast<T*>(at[1])};
      walk.kept(0, reinterpret_cast<const T*>(at[0]));
      if (!tally) return;
      tally->bytes_loaded += walk.read * int64_t{sizeof(T)};
      tally->bytes_stored += loops.outputs * int64_t{sizeof(T)};
    };
    const int64_t bytes = loops.outputs * loops.count * int64_t{sizeof(T)};
    add_host_step(p, {p.input(Reduce::kX).buffer, p.output(0).buffer},
                  host_planned(x.constant ? 0 : bytes, x.constant ? bytes : 0, loops.outputs * int64_t{sizeof(T)}),
                  kHostCyclesPerElement * static_cast<double>(loops.outputs * loops.count), run);
  });
}

}  // namespace tally
