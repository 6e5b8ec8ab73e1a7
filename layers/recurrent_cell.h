#pragma once
// One step of a recurrent cell by plain loops in double, for the host path of every element type.
#include <algorithm>
#include <cmath>

#include "tally/layers/host_number.h"
#include "tally/layers/recurrent.h"

namespace tally {

inline double apply(const CellActivation& a, double x) {
  switch (a.function) {
    case CellFunction::relu:
      return x < 0 ? 0 : x;
    case CellFunction::tanh:
      return std::tanh(x);
    case CellFunction::sigmoid:
      return 1 / (1 + std::exp(-x));
    case CellFunction::affine:
      return static_cast<double>(a.alpha) * x + a.beta;
    case CellFunction::leaky_relu:
      return x < 0 ? static_cast<double>(a.alpha) * x : x;
    case CellFunction::thresholded_relu:
      return x <= a.alpha ? 0 : x;
    case CellFunction::scaled_tanh:
      return static_cast<double>(a.alpha) * std::tanh(static_cast<double>(a.beta) * x);
    case CellFunction::hard_sigmoid: {
      const double line = static_cast<double>(a.alpha) * x + a.beta;
      return line < 0 ? 0 : line > 1 ? 1 : line;
    }
    case CellFunction::elu:
      return x < 0 ? static_cast<double>(a.alpha) * std::expm1(x) : x;
    case CellFunction::softsign:
      return x / (1 + std::abs(x));
    case CellFunction::softplus:
      // ln(1 + e^x), of which e^x alone would overflow.
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  }
  return x;
}

/// What a cell did, counted where it did it.
struct CellWork {
  int64_t macs = 0;
  int64_t elements_loaded = 0, elements_stored = 0;  ///< of the layer's element type
  int64_t doubles_loaded = 0, doubles_stored = 0;    ///< intermediate sums
};

/// One direction of one sequence. `gates` holds G·H sums; `extra` H more, for GRU alone.
template <class T>
struct HostCell {
  CellKind kind;
  int64_t I, H;
  const CellActivation* functions;
  double clip;  ///< infinite: none
  bool input_forget, linear_before_reset;
  const T *w, *r, *b, *p;  ///< of the direction; b and p may be null
  T *h, *c;
  double *gates, *extra;
  CellWork work;

  /// h and c after x [I].
  void step(const T* x) noexcept {
    switch (kind) {
      case CellKind::elman:
        return elman(x);
      case CellKind::lstm:
        return lstm(x);
      case CellKind::gru:
        return gru(x);
    }
  }

 private:
  double element(const T* at) noexcept {
    ++work.elements_loaded;
    return to_sum(*at);
  }
  void put(T* at, double value) noexcept {
    ++work.elements_stored;
    *at = from_sum<T>(value);
  }
  double gate(int64_t row) noexcept {
    ++work.doubles_loaded;
    return gates[row];
  }
  void keep(double* at, double value) noexcept {
    ++work.doubles_stored;
    *at = value;
  }
  double bounded(double x) const noexcept { return x > clip ? clip : x < -clip ? -clip : x; }
  double activated(int function, double x) const noexcept { return apply(functions[function], bounded(x)); }
  double input_bias(int64_t row) noexcept { return b ? element(b + row) : 0; }
  double state_bias(int64_t row) noexcept { return b ? element(b + gates_of(kind) * H + row) : 0; }

  /// start + Σ row[k]·v[k].
  template <class V>
  double accumulate(double start, const T* row, const V* v, int64_t n) noexcept {
    int64_t k = 0;
    for (; k < n; ++k) start += static_cast<double>(to_sum(row[k])) * static_cast<double>(wide(v[k]));
    work.macs += k;
    work.elements_loaded += k;
    (std::is_same_v<V, double> && !std::is_same_v<T, double> ? work.doubles_loaded : work.elements_loaded) += k;
    return start;
  }
  template <class V>
  static double wide(V v) noexcept {
    if constexpr (std::is_same_v<V, double>)
      return v;
    else
      return to_sum(v);
  }
  /// Wb + Rb + W·x + R·h of rows [begin, end).
  void sum_rows(const T* x, int64_t begin, int64_t end) noexcept {
    for (int64_t row = begin; row < end; ++row) {
      const double start = input_bias(row) + state_bias(row);
      keep(gates + row, accumulate(accumulate(start, w + row * I, x, I), r + row * H, h, H));
    }
  }

  void elman(const T* x) noexcept {
    sum_rows(x, 0, H);
    for (int64_t j = 0; j < H; ++j) put(h + j, activated(0, gate(j)));
  }

  void lstm(const T* x) noexcept {
    sum_rows(x, 0, 2 * H);  // i, o
    sum_rows(x, (input_forget ? 3 : 2) * H, 4 * H);
    for (int64_t j = 0; j < H; ++j) {
      const double before = element(c + j);
      const double i = activated(0, gate(j) + (p ? element(p + j) * before : 0));
      const double f = input_forget ? 1 - i : activated(0, gate(2 * H + j) + (p ? element(p + 2 * H + j) * before : 0));
      const double after = f * before + i * activated(1, gate(3 * H + j));
      const double o = activated(0, gate(H + j) + (p ? element(p + H + j) * after : 0));
      put(c + j, after);
      put(h + j, o * activated(2, after));
    }
  }

  void gru(const T* x) noexcept {
    sum_rows(x, 0, 2 * H);  // z, r
    if (!linear_before_reset)
      for (int64_t j = 0; j < H; ++j) keep(extra + j, activated(0, gate(H + j)) * element(h + j));
    for (int64_t j = 0; j < H; ++j) {
      const int64_t row = 2 * H + j;
      double sum = accumulate(input_bias(row), w + row * I, x, I);
      if (linear_before_reset)
        keep(extra + j, accumulate(state_bias(row), r + row * H, h, H));
      else
        sum = accumulate(sum + state_bias(row), r + row * H, extra, H);
      keep(gates + row, sum);
    }
    for (int64_t j = 0; j < H; ++j) {
      const double z = activated(0, gate(j));
      double sum = gate(2 * H + j);
      if (linear_before_reset) {
        sum += activated(0, gate(H + j)) * extra[j];
        ++work.doubles_loaded;
      }
      put(h + j, (1 - z) * activated(1, sum) + z * element(h + j));
    }
  }
};

}  // namespace tally
