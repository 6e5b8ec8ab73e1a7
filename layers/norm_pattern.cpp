// LayerNormalization and RMSNormalization over the last axes, spelled out as exporters do before opset 17 and 23:
//   d = x − mean(x);  d / √(mean(d²) + ε) · scale + bias
//   x · a + (bias − mean(x) · a),  a = scale / √(mean(d²) + ε)
//   x / √(mean(x²) + ε) · scale
#include <cmath>

#include "tally/layers/pattern.h"
#include "tally/layers/reduce.h"

namespace tally {

namespace {

Tensor filled_tensor(Shape shape, float value) {
  Tensor tensor(DType::f32, std::move(shape));
  for (float& element : tensor.mutable_values<float>()) element = value;
  return tensor;
}

class NormMatch {
 public:
  NormMatch(Rewriter& rewriter, int first) : rewriter_(rewriter), match_(rewriter), first_(first) {}

  /// From the mean of x on.
  bool run_centred() {
    if (!means_rows(first_)) return false;
    const ValueId x = match_.in(first_, 0);
    const int sub = match_.read_by(match_.out(first_), "Sub");
    if (sub < 0 || match_.in(sub, 0) != x || match_.in(sub, 1) != match_.out(first_)) return false;
    match_.take(first_);
    match_.take(sub);
    const ValueId d = match_.out(sub);
    for (int reader : rewriter_.consumers(d))
      if (squares(reader, d)) return finish(x, d, reader, true);
    return false;
  }

  /// From the mean of x on, where scale and bias are joined before they meet x.
  bool run_affine() {
    if (!means_rows(first_)) return false;
    const ValueId x = match_.in(first_, 0), mean = match_.out(first_);
    if (match_.dtype(x) != DType::f32 || rewriter_.consumers(mean).size() != 2) return false;
    int sub = -1;
    for (int reader : rewriter_.consumers(mean))
      if (rewriter_.node(reader).op == "Sub" && match_.in(reader, 0) == x) sub = reader;
    if (sub < 0 || match_.in(sub, 1) != mean || rewriter_.consumers(match_.out(sub)).empty()) return false;
    const int square = rewriter_.consumers(match_.out(sub))[0];
    if (!squares(square, match_.out(sub))) return false;
    for (int node : {first_, sub}) match_.take(node);
    const std::optional<double> epsilon = variance(square);
    const int root = epsilon ? match_.read_by(variance_, "Sqrt") : -1;
    const int inverse = root < 0 ? -1 : match_.read_by(match_.out(root), "Reciprocal");
    if (inverse < 0) return false;
    match_.take(root);
    match_.take(inverse);
    return join_affine(x, mean, inverse, *epsilon);
  }

  /// From the square of x on.
  bool run_plain() {
    if (match_.inputs(first_) < 1) return false;
    const ValueId x = match_.in(first_, 0);
    return squares(first_, x) && finish(x, x, first_, false);
  }

 private:
  /// ReduceMean over the last axes, kept with extent 1; the first one found says how many.
  bool means_rows(int node) {
    if (rewriter_.node(node).op != "ReduceMean" || rewriter_.node(node).outputs.size() != 1) return false;
    // One that reads past a transposition may have the shape of another's result.
    const auto* mean = dynamic_cast<const Reduce*>(rewriter_.node(node).layer.get());
    if (!mean || !mean->keeps_order()) return false;
    Shape wanted = match_.shape(match_.in(node, 0));
    width_ = 1;
    for (size_t axes = 1; axes <= wanted.size(); ++axes) {
      int64_t& extent = wanted[wanted.size() - axes];
      width_ *= extent;
      extent = 1;
      if (match_.shape(match_.out(node)) != wanted) continue;
      const bool agrees = axes_ == 0 || axes_ == axes;
      axes_ = axes;
      return agrees && width_ >= 2;
    }
    return false;
  }

  /// The extents that are normalised.
  Shape normalised(const Shape& x) const { return {x.end() - static_cast<std::ptrdiff_t>(axes_), x.end()}; }

  bool squares(int node, ValueId d) const {
    const TypedNode& n = rewriter_.node(node);
    if (n.outputs.size() != 1 || n.inputs.size() != 2 || n.inputs[0] != d) return false;
    return n.op == "Mul" ? n.inputs[1] == d : n.op == "Pow" && match_.is(n.inputs[1], 2);
  }

  /// From the squares on: variance_ = their mean + ε. Returns ε.
  std::optional<double> variance(int square) {
    const int mean = match_.read_by(match_.out(square), "ReduceMean");
    if (mean < 0 || !means_rows(mean)) return {};
    const int add = match_.read_by(match_.out(mean), "Add");
    const ValueId constant = add < 0 ? kAbsent : match_.other(add, match_.out(mean));
    const std::optional<double> epsilon = constant == kAbsent ? std::nullopt : match_.scalar(constant);
    if (!epsilon || !(*epsilon >= 0)) return {};
    for (int node : {square, mean, add}) match_.take(node);
    variance_ = match_.out(add);
    return epsilon;
  }

  /// x·a + (bias − mean·a), a = scale · 1/√v.
  bool join_affine(ValueId x, ValueId mean, int inverse, double epsilon) {
    const int factor = match_.read_by(match_.out(inverse), "Mul");
    if (factor < 0) return false;
    const ValueId scale = match_.other(factor, match_.out(inverse)), a = match_.out(factor);
    int scaled = -1, shifted = -1;
    for (int reader : rewriter_.consumers(a)) {
      if (rewriter_.node(reader).op != "Mul" || rewriter_.node(reader).outputs.size() != 1) return false;
      if (match_.other(reader, a) == x) scaled = reader;
      if (match_.other(reader, a) == mean) shifted = reader;
    }
    if (scaled < 0 || shifted < 0) return false;
    const int shift = match_.read_by(match_.out(shifted), "Sub");
    const int last = match_.read_by(match_.out(scaled), "Add");
    if (shift < 0 || last < 0 || match_.in(shift, 1) != match_.out(shifted) ||
        match_.other(last, match_.out(scaled)) != match_.out(shift))
      return false;
    const ValueId bias = match_.in(shift, 0);
    if (!is_parameter(scale, x) || !is_parameter(bias, x)) return false;
    for (int node : {factor, scaled, shifted, shift, last}) match_.take(node);
    return match_.closed(last) && replace(last, x, scale, bias, epsilon, true);
  }

  /// From the squares of d on; x is what the norm reads.
  bool finish(ValueId x, ValueId d, int square, bool centred) {
    if (match_.dtype(x) != DType::f32) return false;
    const std::optional<double> epsilon = variance(square);
    if (!epsilon) return false;
    int at = quotient(d, variance_);
    if (at < 0 || match_.shape(match_.out(at)) != match_.shape(x)) return false;
    const ValueId scale = parameter(at, "Mul");
    const ValueId bias = centred && scale != kAbsent ? parameter(at, "Add") : kAbsent;
    if (!match_.closed(at)) return false;
    return replace(at, x, scale, bias, *epsilon, centred);
  }

  /// d / √v, also as d · (1 / √v) or d · v^(−1/2). Returns the node or −1.
  int quotient(ValueId d, ValueId v) {
    const int power = match_.read_by(v, "Pow");
    if (power >= 0 && match_.in(power, 0) == v &&
        (match_.is(match_.in(power, 1), -0.5) || match_.is(match_.in(power, 1), 0.5)))
      return divide(d, power, match_.is(match_.in(power, 1), -0.5));
    const int root = match_.read_by(v, "Sqrt");
    return root < 0 ? -1 : divide(d, root, false);
  }
  int divide(ValueId d, int root, bool inverted) {
    match_.take(root);
    ValueId divisor = match_.out(root);
    if (!inverted) {
      if (const int div = match_.read_by(divisor, "Div");
          div >= 0 && match_.in(div, 0) == d && match_.in(div, 1) == divisor) {
        match_.take(div);
        return div;
      }
      int inverse = match_.read_by(divisor, "Reciprocal");
      if (inverse < 0) {
        inverse = match_.read_by(divisor, "Div");
        if (inverse >= 0 && !match_.is(match_.in(inverse, 0), 1)) return -1;
      }
      if (inverse < 0) return -1;
      match_.take(inverse);
      divisor = match_.out(inverse);
    }
    const int mul = match_.read_by(divisor, "Mul");
    if (mul < 0 || match_.other(mul, divisor) != d) return -1;
    match_.take(mul);
    return mul;
  }

  /// A constant of one element a column that `op` joins to the output of node `at`, which moves on to it; or kAbsent.
  ValueId parameter(int& at, const char* op) {
    const ValueId y = match_.out(at);
    const int node = match_.read_by(y, op);
    const ValueId id = node < 0 ? kAbsent : match_.other(node, y);
    if (id == kAbsent || !is_parameter(id, y) || match_.shape(match_.out(node)) != match_.shape(y)) return kAbsent;
    match_.take(node);
    at = node;
    return id;
  }

  /// A constant of one element for each that is normalised together in x.
  bool is_parameter(ValueId id, ValueId x) const {
    if (id == kAbsent || !rewriter_.constant(id) || match_.dtype(id) != DType::f32) return false;
    Shape shape = match_.shape(id);
    const Shape wanted = normalised(match_.shape(x));
    while (shape.size() > wanted.size() && shape.front() == 1) shape.erase(shape.begin());
    return shape == wanted;
  }

  bool replace(int last, ValueId x, ValueId scale, ValueId bias, double epsilon, bool centred) {
    const char* op = centred ? "LayerNormalization" : "RMSNormalization";
    const Shape width = normalised(match_.shape(x));
    std::vector<ValueId> inputs = {x, scale};
    if (bias != kAbsent) inputs.push_back(bias);
    auto layer = layer_like(rewriter_, last, op, centred ? 17 : 23,
                            {{"axis", -static_cast<int64_t>(axes_)}, {"epsilon", static_cast<float>(epsilon)}}, inputs);
    if (!layer) return false;
    if (scale == kAbsent)
      inputs[1] = rewriter_.add_constant(filled_tensor(width, 1), rewriter_.node(last).name + " ones");
    for (size_t i = 1; i < inputs.size(); ++i)
      if (match_.shape(inputs[i]) != width)
        inputs[i] =
            rewriter_.add_constant(rewriter_.constant(inputs[i])->reshaped(width), rewriter_.value(inputs[i]).name);
    if (!match_.gives_output(*layer, inputs, last)) return false;
    match_.replace(last, op, std::move(layer), std::move(inputs));
    return true;
  }

  Rewriter& rewriter_;
  Match match_;
  int first_;
  size_t axes_ = 0;  ///< that are normalised, the last ones
  int64_t width_ = 0;
  ValueId variance_ = kAbsent;  ///< with ε
};

}  // namespace

/// ReduceMean, at which LayerNormalization starts.
bool recognise_layer_norm(Rewriter& rewriter, int index) {
  return rewriter.node(index).op == "ReduceMean" &&
         (NormMatch(rewriter, index).run_centred() || NormMatch(rewriter, index).run_affine());
}

/// Mul or Pow, at which RMSNormalization starts.
bool recognise_rms_norm(Rewriter& rewriter, int index) {
  const std::string& op = rewriter.node(index).op;
  return (op == "Mul" || op == "Pow") && NormMatch(rewriter, index).run_plain();
}

}  // namespace tally
