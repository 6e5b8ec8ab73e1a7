#pragma once
#include <cmath>

#include "tally/platforms/kernel_args.h"

namespace tally {

/// y = activation(x), in double: what a plain loop does with an epilogue. NaN passes a clamp unchanged.
inline double activated(const Epilogue& e, double x) {
  switch (e.activation) {
    case Activation::clamp:
      if (x < e.lo) return e.lo;
      return x > e.hi ? e.hi : x;
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case Activation::none:
      break;
  }
  return x;
}

}  // namespace tally
