#pragma once
// Denormal numbers. NEON of 32-bit ARM has no mode that knows them: it takes denormal operands for zeros of their sign
// and gives such zeros for denormal results. Its scalar unit, which divides and takes roots for it, keeps them, and so
// does what only moves. To a test a denormal and zero are the same number there.
#include <cfloat>
#include <cmath>

#include "tally/platforms/isa.h"
#include "tests/reference/elementwise_reference.h"

namespace tally::reference {

inline bool flushes_denormals(Isa isa) { return isa == Isa::neon32; }

/// The smallest positive number that `isa` computes with.
inline double smallest_number(Isa isa) { return flushes_denormals(isa) ? 0x1p-126 : 0x1p-149; }

/// x as an instruction set that flushes denormals has it.
inline float flushed(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }

/// The same of an exact value, which a rounding may take below the border: that is left 2^−20 wide.
inline double flushed(double truth) {
  return std::fabs(truth) < FLT_MIN * (1 + 0x1p-20) ? std::copysign(0.0, truth) : truth;
}

/// ulp_error of y = f(x) on `isa`; truth(x) gives f in double precision.
template <class Truth>
double ulp_error(Isa isa, float y, float x, Truth truth) {
  const double error = ulp_error(y, truth(x));
  if (error == 0 || !flushes_denormals(isa)) return error;
  const double of_zero = ulp_error(flushed(y), flushed(double{truth(flushed(x))}));
  const double to_zero = ulp_error(flushed(y), flushed(double{truth(x)}));
  return std::fmin(error, std::fmin(of_zero, to_zero));
}

}  // namespace tally::reference
