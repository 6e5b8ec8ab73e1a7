#pragma once
// RNN, LSTM and GRU from their equations, in double, one sequence at a time: h and c are never rounded. What the layers
// and their kernels are judged by.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tally/layers/recurrent.h"

namespace tally::reference {

using Doubles = std::vector<double>;

/// Operands as ONNX lays them out; empty where absent.
struct RecurrentProblem {
  RecurrentShape shape;
  RecurrentAttributes attributes;
  Doubles x, w, r, b, h0, c0, p;
  std::vector<int64_t> lengths;
};

struct RecurrentAnswer {
  Doubles y, y_h, y_c;
};

inline double activation(const CellActivation& a, double x) {
  const double alpha = a.alpha, beta = a.beta;
  switch (a.function) {
    case CellFunction::relu:
      return std::max(x, 0.0);
    case CellFunction::tanh:
      return std::tanh(x);
    case CellFunction::sigmoid:
      return 1 / (1 + std::exp(-x));
    case CellFunction::affine:
      return alpha * x + beta;
    case CellFunction::leaky_relu:
      return x >= 0 ? x : alpha * x;
    case CellFunction::thresholded_relu:
      return x > alpha ? x : 0;
    case CellFunction::scaled_tanh:
      return alpha * std::tanh(beta * x);
    case CellFunction::hard_sigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case CellFunction::elu:
      return x >= 0 ? x : alpha * (std::exp(x) - 1);
    case CellFunction::softsign:
      return x / (1 + std::fabs(x));
    case CellFunction::softplus:
      return std::log(1 + std::exp(x));
  }
  return x;
}

/// One direction of one sequence.
class ReferenceCell {
 public:
  ReferenceCell(const RecurrentProblem& problem, int64_t direction) : q_(problem), s_(problem.shape), d_(direction) {}

  void step(const double* x, Doubles& h, Doubles& c) const {
    const int64_t H = s_.H;
    const Doubles before = h;
    for (int64_t j = 0; j < H; ++j) {
      const auto at = static_cast<size_t>(j);
      if (s_.kind == CellKind::elman) {
        h[at] = f(0, from_x(0, j, x) + from_h(0, j, before));
      } else if (s_.kind == CellKind::lstm) {
        const double c_before = c[at];
        const auto gate = [&](int64_t g) { return from_x(g, j, x) + from_h(g, j, before); };
        const double i = f(0, gate(0) + peephole(0, j) * c_before);
        const double forget = q_.attributes.input_forget ? 1 - i : f(0, gate(2) + peephole(2, j) * c_before);
        c[at] = forget * c_before + i * f(1, gate(3));
        h[at] = f(0, gate(1) + peephole(1, j) * c[at]) * f(2, c[at]);
      } else {
        const double z = f(0, from_x(0, j, x) + from_h(0, j, before));
        double n = from_x(2, j, x);
        if (q_.attributes.linear_before_reset) {
          n += reset(j, x, before) * from_h(2, j, before);
        } else {
          Doubles scaled = before;
          for (int64_t k = 0; k < H; ++k) scaled[static_cast<size_t>(k)] *= reset(k, x, before);
          n += from_h(2, j, scaled);
        }
        h[at] = (1 - z) * f(1, n) + z * before[at];
      }
    }
  }

 private:
  double f(int64_t which, double x) const {
    if (q_.attributes.clip) x = std::min(std::max<double>(x, -*q_.attributes.clip), double{*q_.attributes.clip});
    return activation(q_.attributes.activations[static_cast<size_t>(d_ * functions_of(s_.kind) + which)], x);
  }
  double from_x(int64_t gate, int64_t j, const double* x) const {
    const int64_t row = gate * s_.H + j, rows = s_.gates() * s_.H;
    double sum = q_.b.empty() ? 0 : q_.b[static_cast<size_t>(d_ * 2 * rows + row)];
    for (int64_t i = 0; i < s_.I; ++i) sum += q_.w[static_cast<size_t>((d_ * rows + row) * s_.I + i)] * x[i];
    return sum;
  }
  double from_h(int64_t gate, int64_t j, const Doubles& h) const {
    const int64_t row = gate * s_.H + j, rows = s_.gates() * s_.H;
    double sum = q_.b.empty() ? 0 : q_.b[static_cast<size_t>(d_ * 2 * rows + rows + row)];
    for (int64_t k = 0; k < s_.H; ++k)
      sum += q_.r[static_cast<size_t>((d_ * rows + row) * s_.H + k)] * h[static_cast<size_t>(k)];
    return sum;
  }
  double reset(int64_t j, const double* x, const Doubles& h) const { return f(0, from_x(1, j, x) + from_h(1, j, h)); }
  double peephole(int64_t gate, int64_t j) const {
    return q_.p.empty() ? 0 : q_.p[static_cast<size_t>((d_ * 3 + gate) * s_.H + j)];
  }

  const RecurrentProblem& q_;
  const RecurrentShape& s_;
  int64_t d_;
};

inline RecurrentAnswer recurrent(const RecurrentProblem& problem) {
  const RecurrentShape& s = problem.shape;
  const int64_t D = s.directions, H = s.H;
  RecurrentAnswer answer;
  answer.y.resize(static_cast<size_t>(s.T * D * s.B * H));
  answer.y_h.resize(static_cast<size_t>(D * s.B * H));
  answer.y_c.resize(answer.y_h.size());
  for (int64_t d = 0; d < D; ++d)
    for (int64_t n = 0; n < s.B; ++n) {
      const int64_t state = s.batch_first ? (n * D + d) * H : (d * s.B + n) * H;
      Doubles h(static_cast<size_t>(H)), c(h);
      for (int64_t j = 0; j < H; ++j) {
        if (!problem.h0.empty()) h[static_cast<size_t>(j)] = problem.h0[static_cast<size_t>(state + j)];
        if (!problem.c0.empty()) c[static_cast<size_t>(j)] = problem.c0[static_cast<size_t>(state + j)];
      }
      const int64_t length = problem.lengths.empty() ? s.T : problem.lengths[static_cast<size_t>(n)];
      const ReferenceCell cell(problem, d);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = problem.attributes.reversed(static_cast<int>(d)) ? length - 1 - i : i;
        cell.step(problem.x.data() + (s.batch_first ? n * s.T + t : t * s.B + n) * s.I, h, c);
        const int64_t at = s.batch_first ? ((n * s.T + t) * D + d) * H : ((t * D + d) * s.B + n) * H;
        std::copy(h.begin(), h.end(), answer.y.begin() + at);
      }
      std::copy(h.begin(), h.end(), answer.y_h.begin() + state);
      std::copy(c.begin(), c.end(), answer.y_c.begin() + state);
    }
  return answer;
}

}  // namespace tally::reference
