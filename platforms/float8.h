#pragma once
// The 8-bit floating-point formats of ONNX: E4M3FN and E5M2 (OCP 8-bit floating point specification 1.0) and their
// variants without negative zero, E4M3FNUZ and E5M2FNUZ.
#include "tally/platforms/dtype.h"

namespace tally {

/// f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz.
bool is_float8(DType type);

/// Exact widening of the bits of a float8 type.
double from_float8(DType type, uint8_t bits);

/// Round to nearest even. What is too large, infinities included, becomes the largest finite value (`saturate`), or
/// else infinity where the format has one and NaN where it has not: ONNX Cast, opset 19. NaN stays NaN.
uint8_t to_float8(DType type, double value, bool saturate);

}  // namespace tally
