#pragma once
// RNN, LSTM and GRU of RecurrentArgs in double, one sequence, with a bound on what float arithmetic may err by at every
// step: rounding of sums, activations within a few units, and the error that h and c bring along.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tally/platforms/kernel_args.h"

namespace tally::reference {

struct Approximate {
  double value = 0, error = 0;
};

struct RecurrentProblem {
  RecurrentCell cell = RecurrentCell::elman;
  int64_t T = 1, I = 1, H = 1;
  GateActivation f = GateActivation::sigmoid, g = GateActivation::tanh, output = GateActivation::tanh;
  double clip = 0;
  std::vector<float> x;             ///< [T][I]
  std::vector<float> w, r, wb, rb;  ///< [G·H][I], [G·H][H], [G·H]; biases may be empty
  std::vector<float> h, c;          ///< [H]
};

struct RecurrentResult {
  std::vector<Approximate> y;  ///< [T][H]
  std::vector<Approximate> c;  ///< [H] after the last step
};

class RecurrentReference {
 public:
  explicit RecurrentReference(const RecurrentProblem& problem) : p_(problem) {}

  RecurrentResult run() {
    RecurrentResult result;
    std::vector<Approximate> h, c;
    for (const float v : p_.h) h.push_back({v, 0});
    for (const float v : p_.c) c.push_back({v, 0});
    for (int64_t t = 0; t < p_.T; ++t) {
      h = step(p_.x.data() + t * p_.I, h, c);
      result.y.insert(result.y.end(), h.begin(), h.end());
    }
    result.c = c;
    return result;
  }

 private:
  static constexpr double kUnit = 0x1p-24;

  static Approximate add(Approximate a, Approximate b) {
    const double v = a.value + b.value;
    return {v, a.error + b.error + kUnit * std::fabs(v)};
  }
  static Approximate multiply(Approximate a, Approximate b) {
    const double v = a.value * b.value;
    return {v, std::fabs(a.value) * b.error + std::fabs(b.value) * a.error + a.error * b.error + kUnit * std::fabs(v)};
  }
  Approximate activate(GateActivation kind, Approximate a) const {
    double v = a.value;
    if (p_.clip > 0) v = std::max(-p_.clip, std::min(p_.clip, v));
    switch (kind) {
      case GateActivation::sigmoid:
        return {1 / (1 + std::exp(-v)), a.error / 4 + 6 * kUnit};
      case GateActivation::tanh:
        return {std::tanh(v), a.error + 6 * kUnit};
      case GateActivation::relu:
        break;
    }
    return {std::max(0.0, v), a.error};
  }

  double bias(const std::vector<float>& b, int64_t row) const { return b.empty() ? 0.0 : b[static_cast<size_t>(row)]; }

  /// `first` + Σ m[row][k]·v[k]; products and additions each rounded, as an ISA without FMA does.
  Approximate dot(const std::vector<float>& m, int64_t row, const std::vector<Approximate>& v, double first) const {
    double sum = first, magnitude = std::fabs(first), error = 0;
    const auto n = static_cast<int64_t>(v.size());
    for (int64_t k = 0; k < n; ++k) {
      const double weight = m[static_cast<size_t>(row * n + k)];
      const Approximate& a = v[static_cast<size_t>(k)];
      sum += weight * a.value;
      magnitude += std::fabs(weight * a.value);
      error += std::fabs(weight) * a.error;
    }
    return {sum, error + kUnit * (2 * static_cast<double>(n) + 3) * magnitude};
  }

  /// The new h; c in place.
  std::vector<Approximate> step(const float* x, const std::vector<Approximate>& h, std::vector<Approximate>& c) const {
    const int64_t H = p_.H;
    std::vector<Approximate> in(static_cast<size_t>(p_.I)), next(static_cast<size_t>(H)), reset_h = h;
    for (int64_t i = 0; i < p_.I; ++i) in[static_cast<size_t>(i)] = {x[i], 0};
    const auto x_part = [&](int64_t row) { return dot(p_.w, row, in, bias(p_.wb, row)); };
    const auto h_part = [&](int64_t row, const std::vector<Approximate>& v) {
      return dot(p_.r, row, v, bias(p_.rb, row));
    };
    const auto sum = [&](int64_t row) { return add(x_part(row), h_part(row, h)); };
    if (p_.cell == RecurrentCell::gru_reset_first)
      for (int64_t j = 0; j < H; ++j)
        reset_h[static_cast<size_t>(j)] = multiply(activate(p_.f, sum(H + j)), h[static_cast<size_t>(j)]);
    for (int64_t j = 0; j < H; ++j) {
      const auto at = static_cast<size_t>(j);
      if (p_.cell == RecurrentCell::elman) {
        next[at] = activate(p_.g, sum(j));
      } else if (p_.cell == RecurrentCell::lstm) {
        const Approximate i = activate(p_.f, sum(j)), o = activate(p_.f, sum(H + j)),
                          f = activate(p_.f, sum(2 * H + j));
        c[at] = add(multiply(f, c[at]), multiply(i, activate(p_.g, sum(3 * H + j))));
        next[at] = multiply(o, activate(p_.output, c[at]));
      } else {
        const Approximate z = activate(p_.f, sum(j));
        const Approximate n =
            p_.cell == RecurrentCell::gru
                ? activate(p_.g, add(x_part(2 * H + j), multiply(activate(p_.f, sum(H + j)), h_part(2 * H + j, h))))
                : activate(p_.g, add(x_part(2 * H + j), h_part(2 * H + j, reset_h)));
        const Approximate minus_n{-n.value, n.error};
        next[at] = add(multiply(z, add(h[at], minus_n)), n);
      }
    }
    return next;
  }

  const RecurrentProblem& p_;
};

}  // namespace tally::reference
