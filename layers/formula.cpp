#include "tally/layers/formula.h"

#include "tally/engine/error.h"
#include "tally/engine/shape.h"

namespace tally {

Formula product(const std::string& who, std::string quantity, std::span<const Factor> factors) {
  Formula f{std::move(quantity), {}, {}, 1};
  bool zero = false;
  for (const Factor& factor : factors) {
    if (!f.symbols.empty()) {
      f.symbols += "·";
      f.numbers += "·";
    }
    f.symbols += factor.symbol;
    f.numbers += std::to_string(factor.value);
    zero = zero || factor.value == 0;
  }
  if (zero) {
    f.value = 0;
    return f;
  }
  for (const Factor& factor : factors) {
    const std::optional<int64_t> next = checked_multiply(f.value, factor.value);
    if (!next) fail(who, f.quantity + " = " + f.numbers, "must fit 63 bits", ErrorCode::limit);
    f.value = *next;
  }
  return f;
}

Formula product(const std::string& who, std::string quantity, std::initializer_list<Factor> factors) {
  return product(who, std::move(quantity), std::span<const Factor>(factors.begin(), factors.size()));
}

}  // namespace tally
