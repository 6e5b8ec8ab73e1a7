#pragma once
// From sums of integer products back to 8 bits: y = saturate(round(sum · factor) + zero point), halves to even, in
// double, so that only `factor` itself is rounded.
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/stored_element.h"

namespace tally {

template <class T>
T requantised(int32_t sum, double factor, T zero) {
  const double rounded = std::nearbyint(sum * factor);
  return from_real<T>((std::isnan(rounded) ? 0.0 : rounded) + zero);
}

/// Adds what `results` of them cost: product, rounding, zero point and saturation, as QuantizeLinear counts them.
inline void add_requantisation(Cost& cost, int64_t results, const std::string& who) {
  cost.formulas.push_back(product(who, "comparisons", {{"outputs", results}, {"comparisons an output", 2}}));
  cost.comparisons += cost.formulas.back().value;
  cost.formulas.push_back(product(who, "elementwise", {{"outputs", results}, {"operations an output", 5}}));
  cost.elementwise += cost.formulas.back().value;
}

/// Calls f(TypeTag<T>{}) with the C++ type of int8 or uint8; false for any other.
template <class F>
bool with_8_bits(DType type, F&& f) {
  if (type == DType::i8) return f(TypeTag<int8_t>{}), true;
  if (type == DType::u8) return f(TypeTag<uint8_t>{}), true;
  return false;
}

}  // namespace tally
