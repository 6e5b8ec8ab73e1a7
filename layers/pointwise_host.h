#pragma once
// Pointwise functions by plain loops, for element types and operators that no kernel serves. They compute in double, by
// libm where need be: its multiply-adds are double-precision ones, which are no fp32 lanes.
#include "tally/layers/pointwise.h"

namespace tally {

/// What is run: one of the two functions, by the operands' type. Real results are divided by `divisor` before they are
/// rounded.
struct PointwiseHost {
  double (*real)(double, double, const PointwiseParameters&);
  uint64_t (*integer)(uint64_t, uint64_t, const PointwiseParameters&);
  PointwiseParameters parameters;
  bool truth;
  double divisor;
};

struct PointwiseOperand {
  BufferId buffer = -1;
  DType dtype = DType::f32;
  bool constant = false;
  Aligned aligned = {};
};

/// y[i] = f(x[i]), i < n. The step moves n elements in and n out.
void add_pointwise_unary(Preparation& preparation, const PointwiseHost& host, const PointwiseOperand& x, BufferId y,
                         int64_t n);

/// y = f(a, b) over a dense y, which may be where a lies. Where the types differ (Pow), a gives the type of the result.
void add_pointwise_pair(Preparation& preparation, const PointwiseHost& host, const PointwiseOperand& a,
                        const PointwiseOperand& b, const Placement& y);

}  // namespace tally
