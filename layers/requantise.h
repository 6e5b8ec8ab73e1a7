#pragma once
// What products of 8-bit integers share. From their sums back to 8 bits: y = saturate(round(sum · factor) + zero
// point), halves to even, in double, so that only `factor` itself is rounded.
#include <cmath>

#include "tally/engine/layer.h"
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

/// Throws Error(model) naming `who` and the operand where it is neither.
inline void require_8_bits(const std::string& who, const Operand& operand, const char* name) {
  if (operand.dtype != DType::i8 && operand.dtype != DType::u8)
    fail(who, text(name, " of type ", name_of(operand.dtype)), "must be int8 or uint8");
}

}  // namespace tally
