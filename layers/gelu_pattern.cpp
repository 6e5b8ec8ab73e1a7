// Gelu spelled out: x/2 · (1 + erf(x/√2)), and its tanh form x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
#include <array>
#include <cmath>
#include <numbers>

#include "tally/layers/pattern.h"

namespace tally {

namespace {

constexpr double kRootHalf = std::numbers::sqrt2 / 2;
constexpr double kTanhFactor = 0.7978845608028654;  // √(2/π)
constexpr double kCubeFactor = 0.044715;

class GeluMatch {
 public:
  GeluMatch(Rewriter& rewriter, int function) : rewriter_(rewriter), match_(rewriter), function_(function) {}

  bool run() {
    const bool erf = rewriter_.node(function_).op == "Erf";
    if (match_.inputs(function_) != 1 || rewriter_.node(function_).outputs.size() != 1) return false;
    if (match_.dtype(match_.in(function_, 0)) != DType::f32) return false;
    const ValueId x = erf ? erf_argument() : tanh_argument();
    if (x == kAbsent) return false;
    match_.take(function_);
    const int last = find_product(x);
    if (last < 0 || !match_.closed(last)) return false;
    auto layer = layer_like(rewriter_, last, "Gelu", 20, {{"approximate", std::string(erf ? "none" : "tanh")}}, {x});
    if (!layer || !match_.gives_output(*layer, {x}, last)) return false;
    match_.replace(last, "Gelu", std::move(layer), {x});
    return true;
  }

 private:
  /// What the node that makes `id` multiplies by `factor` (or divides by its inverse), kAbsent where it does not.
  ValueId multiplied(ValueId id, double factor) {
    const int node = rewriter_.producer(id);
    if (node < 0 || match_.inputs(node) != 2 || rewriter_.node(node).outputs.size() != 1) return kAbsent;
    const std::string& op = rewriter_.node(node).op;
    for (size_t i = 0; i < 2; ++i) {
      const bool divides = op == "Div" && i == 0 && match_.is(match_.in(node, 1), 1 / factor);
      if (divides || (op == "Mul" && match_.is(match_.in(node, 1 - i), factor))) {
        match_.take(node);
        return match_.in(node, i);
      }
    }
    return kAbsent;
  }

  ValueId erf_argument() { return multiplied(match_.in(function_, 0), kRootHalf); }

  /// x of √(2/π)·(x + 0.044715·x³).
  ValueId tanh_argument() {
    const ValueId sum = multiplied(match_.in(function_, 0), kTanhFactor);
    const int add = sum == kAbsent ? -1 : match_.made_by(sum, "Add");
    if (add < 0 || match_.inputs(add) != 2) return kAbsent;
    for (size_t i = 0; i < 2; ++i) {
      const size_t before = match_.taken();
      const ValueId x = match_.in(add, i), cube = multiplied(match_.in(add, 1 - i), kCubeFactor);
      if (cube != kAbsent && is_cube(cube, x)) {
        match_.take(add);
        return x;
      }
      match_.give_back(before);
    }
    return kAbsent;
  }

  bool is_cube(ValueId id, ValueId x) {
    if (const int pow = match_.made_by(id, "Pow");
        pow >= 0 && match_.in(pow, 0) == x && match_.is(match_.in(pow, 1), 3)) {
      match_.take(pow);
      return true;
    }
    const int outer = match_.made_by(id, "Mul");
    const ValueId square = outer < 0 ? kAbsent : match_.other(outer, x);
    const int inner = square == kAbsent ? -1 : match_.made_by(square, "Mul");
    if (inner < 0 || match_.in(inner, 0) != x || match_.in(inner, 1) != x) return false;
    match_.take(outer);
    match_.take(inner);
    return true;
  }

  /// (f + 1) · x · 1/2 in any order. Returns the last node or −1.
  int find_product(ValueId x) {
    const int add = match_.read_by(match_.out(function_), "Add");
    const ValueId one = add < 0 ? kAbsent : match_.other(add, match_.out(function_));
    if (one == kAbsent || !match_.is(one, 1)) return -1;
    match_.take(add);
    int at = add;
    bool halved = false, multiplied_x = false;
    while (!(halved && multiplied_x)) {
      const ValueId y = match_.out(at);
      const int mul = match_.read_by(y, "Mul");
      const ValueId factor = mul < 0 ? kAbsent : match_.other(mul, y);
      if (factor == kAbsent) return halved_by_division(y, halved, multiplied_x);
      if (!halved && match_.is(factor, 0.5)) {
        halved = true;
      } else if (!multiplied_x && factor == x) {
        multiplied_x = true;
      } else if (!halved && !multiplied_x && multiplied(factor, 0.5) == x) {
        halved = multiplied_x = true;
      } else {
        return -1;
      }
      match_.take(mul);
      at = mul;
    }
    return at;
  }

  int halved_by_division(ValueId y, bool halved, bool multiplied_x) {
    const int div = match_.read_by(y, "Div");
    if (div < 0 || halved || !multiplied_x || match_.in(div, 0) != y || !match_.is(match_.in(div, 1), 2)) return -1;
    match_.take(div);
    return div;
  }

  Rewriter& rewriter_;
  Match match_;
  int function_;
};

}  // namespace

/// Erf or Tanh in the midst of a Gelu.
bool recognise_gelu(Rewriter& rewriter, int index) {
  const std::string& op = rewriter.node(index).op;
  return (op == "Erf" || op == "Tanh") && GeluMatch(rewriter, index).run();
}

}  // namespace tally
