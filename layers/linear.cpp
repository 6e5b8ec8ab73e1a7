#include "tally/layers/linear.h"

#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/linear_methods.h"

namespace tally {

namespace {

bool is_matrix_type(DType type) {
  switch (type) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::f64:
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      return true;
    default:
      return false;
  }
}

void check_types(const std::string& who, Operands in) {
  const DType type = in[Linear::kA].dtype;
  if (!is_matrix_type(type))
    fail(who, text("A of type ", name_of(type)),
         "must be float16, bfloat16, float32, float64, int32, uint32, int64 or uint64");
  for (size_t i = 1; i < std::min<size_t>(in.size(), 3); ++i)
    if (in[i].present && in[i].dtype != type)
      fail(who, text(i == Linear::kB ? "B" : "C", " of type ", name_of(in[i].dtype)),
           text("must be ", name_of(type), " like A"));
}

/// True where `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to) {
  const std::optional<Shape> both = broadcast(from, to);
  return both && *both == to;
}

}  // namespace

bool is_row_vector(const Shape& c) { return c.size() < 2 || c[c.size() - 2] == 1; }

std::unique_ptr<Layer> make_gemm(const Node& node) { return std::make_unique<Gemm>(node); }
std::unique_ptr<Layer> make_matmul(const Node& node) { return std::make_unique<MatMul>(node); }

// -------------------------------------------------------------------------------------------------------------- linear

namespace {

/// A way to run a product: adds its candidates, prepares one of them.
struct Method {
  void (*list)(const LinearTask&, const PlanContext&, std::vector<Candidate>&);
  void (*prepare)(const LinearTask&, const Candidate&, Preparation&);
};

constexpr Method kMethods[] = {
    {list_linear_gemm, prepare_linear_gemm},
    {list_linear_host, prepare_linear_host},
};

}  // namespace

Shape Linear::matrix_shape(const Operand& a) const {
  if (!from_view_) return a.shape;
  const int64_t rows = a.shape[0];
  return {rows, rows == 0 ? 0 : element_count(a.shape) / rows};
}

Role Linear::role(int input, Operands) const { return input == kResidual ? Role::activation : Role::weight; }

int64_t Linear::map_axis(Operands in) const { return output_rank(in) - 1; }

std::vector<Candidate> Linear::candidates(const PlanContext& context, Operands in, std::span<const TensorType>) const {
  const LinearTask task{shape_of(in), tail_, in};
  std::vector<Candidate> list;
  for (size_t i = 0; i < std::size(kMethods); ++i) {
    const size_t before = list.size();
    kMethods[i].list(task, context, list);
    for (size_t k = before; k < list.size(); ++k) list[k].variant = static_cast<int>(i);
  }
  return list;
}

void Linear::prepare(const Candidate& candidate, Preparation& preparation) const {
  const Operands in = preparation.inputs();
  const LinearTask task{shape_of(in), tail_, in};
  if (task.shape.batches() * task.shape.M * task.shape.N == 0) return;
  kMethods[candidate.variant].prepare(task, candidate, preparation);
}

std::shared_ptr<const Layer> Linear::with_epilogue(Operands in, const Epilogue& epilogue) const {
  if (in[kA].dtype != DType::f32 || tail_.epilogue.activation != Activation::none) return nullptr;
  auto layer = copy();
  layer->tail_.epilogue = epilogue;
  return layer;
}

std::shared_ptr<const Layer> Linear::with_residual(Operands in) const {
  if (in[kA].dtype != DType::f32 || tail_.residual || tail_.epilogue.activation != Activation::none) return nullptr;
  // A C that is no row vector already takes the residual's place in the kernel.
  if (in.size() > kC && in[kC].present && !is_row_vector(in[kC].shape)) return nullptr;
  auto layer = copy();
  layer->tail_.residual = true;
  return layer;
}

std::shared_ptr<const Layer> Linear::with_view(Operands in, const Shape& source) const {
  const Shape& a = in[kA].shape;
  if (in[kA].dtype != DType::f32 || from_view_ || a.size() != 2 || source.size() < 3 || source[0] != a[0])
    return nullptr;
  if (element_count(source) != element_count(a) || element_count(a) == 0 || in[kB].shape.size() > 2) return nullptr;
  auto layer = copy();
  layer->from_view_ = true;
  return layer;
}

std::optional<TakesChannelMap::Folded> Linear::fold(Operands in, const ChannelMap& map) const {
  if (in[kA].dtype != DType::f32 || tail_.residual || tail_.epilogue.activation != Activation::none) return {};
  const Tensor* b = in[kB].constant;
  const LinearShape s = shape_of(in);
  if (!b || !b->has_data() || !s.batch.empty() || map.scale.size() != static_cast<size_t>(s.N)) return {};
  const bool has_bias = in.size() > kC && in[kC].present;
  if (has_bias && (!in[kC].constant || !in[kC].constant->has_data() || !is_row_vector(in[kC].shape))) return {};
  if (output_rank(in) < 1 || element_count(b->shape()) != s.K * s.N) return {};
  Folded folded{nullptr, kB, kC, Tensor(DType::f32, b->shape()), Tensor(DType::f32, {s.N})};
  const std::span<const float> from = b->values<float>();
  const std::span<float> to = folded.weights.mutable_values<float>();
  const std::span<float> bias = folded.bias.mutable_values<float>();
  for (int64_t n = 0; n < s.N; ++n) {
    const double scale = map.scale[static_cast<size_t>(n)];
    for (int64_t k = 0; k < s.K; ++k) {
      const auto at = static_cast<size_t>(k * s.b_k + n * s.b_n);
      to[at] = static_cast<float>(scale * from[at]);
    }
    double c = 0;
    if (has_bias) {
      const std::span<const float> values = in[kC].constant->values<float>();
      c = s.beta * values[values.size() == 1 ? 0 : static_cast<size_t>(n)];
    }
    bias[static_cast<size_t>(n)] = static_cast<float>(scale * c + map.shift[static_cast<size_t>(n)]);
  }
  auto layer = copy();
  layer->clear_bias_factor();
  folded.layer = layer;
  return folded;
}

int64_t Linear::input_map_axis(Operands in) const {
  const LinearShape s = shape_of(in);
  // Aᵀ, and matrices that a view made of more, have their depth elsewhere.
  return from_view_ || s.a_k != 1 || in[kA].shape.empty() ? -1 : static_cast<int64_t>(in[kA].shape.size()) - 1;
}

// (s·x + t)·B + c = x·(s·B) + (t·B + c).
std::optional<TakesChannelMap::Folded> Linear::fold_input(Operands in, const ChannelMap& map) const {
  const Tensor* b = in[kB].constant;
  const LinearShape s = shape_of(in);
  if (in[kA].dtype != DType::f32 || !b || !b->has_data() || !s.batch.empty() ||
      map.scale.size() != static_cast<size_t>(s.K) || b->shape().size() != 2)
    return {};
  const bool has_bias = in.size() > kC && in[kC].present;
  if (has_bias && (!in[kC].constant || !in[kC].constant->has_data() || !is_row_vector(in[kC].shape))) return {};
  Folded folded{nullptr, kB, kC, Tensor(DType::f32, b->shape()), Tensor(DType::f32, {s.N})};
  const std::span<const float> from = b->values<float>();
  const std::span<float> to = folded.weights.mutable_values<float>();
  for (int64_t n = 0; n < s.N; ++n) {
    double sum = 0;
    for (int64_t k = 0; k < s.K; ++k) {
      const auto at = static_cast<size_t>(k * s.b_k + n * s.b_n);
      to[at] = static_cast<float>(map.scale[static_cast<size_t>(k)] * from[at]);
      sum += map.shift[static_cast<size_t>(k)] * from[at];
    }
    if (has_bias) {
      const std::span<const float> values = in[kC].constant->values<float>();
      sum = s.alpha * sum + s.beta * values[values.size() == 1 ? 0 : static_cast<size_t>(n)];
    } else {
      sum *= s.alpha;
    }
    folded.bias.mutable_values<float>()[static_cast<size_t>(n)] = static_cast<float>(sum);
  }
  auto layer = copy();
  layer->clear_bias_factor();
  folded.layer = layer;
  return folded;
}

// ---------------------------------------------------------------------------------------------------------------- gemm

Gemm::Gemm(const Node& node)
    : Linear(node),
      alpha_(node.get_float("alpha", 1)),
      beta_(node.get_float("beta", 1)),
      trans_a_(node.get_int("transA", 0) != 0),
      trans_b_(node.get_int("transB", 0) != 0),
      broadcasts_(node.opset >= 7 || node.get_int("broadcast", 0) != 0) {
  const size_t least = node.opset >= 11 ? 2 : 3;
  if (node.inputs.size() < least || node.inputs.size() > 3)
    fail(label(), text(node.inputs.size(), " inputs"), least == 2 ? "must be 2 or 3 (A, B, C)" : "must be 3 (A, B, C)");
}

LinearShape Gemm::shape_of(Operands in) const {
  if (!in[kA].present || !in[kB].present) fail(label(), "an absent A or B", "must be given");
  const Shape a = matrix_shape(in[kA]);
  const Shape& b = in[kB].shape;
  if (a.size() != 2) fail(label(), text("A of shape ", to_string(a)), "must have rank 2");
  if (b.size() != 2) fail(label(), text("B of shape ", to_string(b)), "must have rank 2");
  LinearShape s;
  s.M = a[trans_a_ ? 1 : 0];
  s.K = a[trans_a_ ? 0 : 1];
  s.N = b[trans_b_ ? 0 : 1];
  if (const int64_t found = b[trans_b_ ? 1 : 0]; found != s.K)
    fail(label(), text("B of shape ", to_string(b), trans_b_ ? " (transB)" : ""),
         text("must have K=", s.K, trans_b_ ? " columns" : " rows"));
  s.a_m = trans_a_ ? 1 : a[1];
  s.a_k = trans_a_ ? a[1] : 1;
  s.b_k = trans_b_ ? 1 : b[1];
  s.b_n = trans_b_ ? b[1] : 1;
  s.alpha = alpha_;
  s.beta = beta_;
  s.from_view = from_view_;
  s.channels = from_view_ ? in[kA].shape[1] : s.K;
  s.pixels = from_view_ && s.channels > 0 ? s.K / s.channels : 1;
  if (in.size() > kC && in[kC].present) {
    const Shape y = {s.M, s.N};
    const bool fits = broadcasts_ ? broadcasts_to(in[kC].shape, y) : in[kC].shape == y;
    if (!fits)
      fail(label(), text("C of shape ", to_string(in[kC].shape)),
           text(broadcasts_ ? "must broadcast to " : "must have the shape (without broadcast) ", to_string(y)));
  }
  return s;
}

std::vector<TensorType> Gemm::infer(Operands in) const {
  const LinearShape s = shape_of(in);
  check_types(label(), in);
  return {{in[kA].dtype, {s.M, s.N}}};
}

std::shared_ptr<const Layer> Gemm::with_view(Operands in, const Shape& source) const {
  return trans_a_ ? nullptr : Linear::with_view(in, source);
}

// Gemm, opset 1 to 13: M·N sums of K products; C is one addition an output; alpha and beta are not counted.
Cost Gemm::cost(Operands in, std::span<const TensorType>) const {
  const LinearShape s = shape_of(in);
  Cost cost;
  cost.source = "ONNX Gemm, opset 1 to 13";
  cost.textbook = true;
  cost.formulas = {product(label(), "macs", {{"M", s.M}, {"N", s.N}, {"K", s.K}})};
  cost.macs = cost.macs_nopad = cost.formulas[0].value;
  if (in.size() > kC && in[kC].present) {
    cost.formulas.push_back(product(label(), "bias_additions", {{"M", s.M}, {"N", s.N}}));
    cost.bias_additions = cost.formulas[1].value;
  }
  return cost;
}

// -------------------------------------------------------------------------------------------------------------- matmul

MatMul::MatMul(const Node& node) : Linear(node) {
  if (node.inputs.size() != 2) fail(label(), text(node.inputs.size(), " inputs"), "must be 2 (A, B)");
}

int64_t MatMul::output_rank(Operands in) const {
  const size_t a = matrix_shape(in[kA]).size(), b = in[kB].shape.size();
  return static_cast<int64_t>(std::max({a, b, size_t{2}}) - (a == 1) - (b == 1));
}

LinearShape MatMul::shape_of(Operands in) const {
  if (!in[kA].present || !in[kB].present) fail(label(), "an absent A or B", "must be given");
  const Shape a = matrix_shape(in[kA]);
  const Shape& b = in[kB].shape;
  if (a.empty() || b.empty())
    fail(label(), text("operands of shapes ", to_string(a), " and ", to_string(b)), "must have rank >= 1");
  LinearShape s;
  s.M = a.size() == 1 ? 1 : a[a.size() - 2];
  s.K = a.back();
  s.N = b.size() == 1 ? 1 : b.back();
  const int64_t rows = b.size() == 1 ? b[0] : b[b.size() - 2];
  if (rows != s.K)
    fail(label(), text("operands of shapes ", to_string(a), " and ", to_string(b)),
         text("must agree in K: ", s.K, " columns, ", rows, " rows"));
  s.a_m = s.K;
  s.b_k = s.N;
  s.from_view = from_view_;
  s.channels = from_view_ ? in[kA].shape[1] : s.K;
  s.pixels = from_view_ && s.channels > 0 ? s.K / s.channels : 1;
  const Shape a_batch(a.begin(), a.end() - std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(a.size())));
  const Shape b_batch(b.begin(), b.end() - std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(b.size())));
  const std::optional<Shape> batch = broadcast(a_batch, b_batch);
  if (!batch)
    fail(label(), text("operands of shapes ", to_string(a), " and ", to_string(b)),
         "must have batch dimensions that broadcast");
  if (element_count(b_batch) == 1 && b_batch.size() <= a_batch.size()) {
    // One B for all of A, whose matrices follow each other: a single product with more rows.
    const std::optional<int64_t> all_rows = checked_multiply(s.M, element_count(a_batch, label()));
    if (!all_rows) fail(label(), text("A of shape ", to_string(a)), "must have at most 2^63 rows", ErrorCode::limit);
    s.M = *all_rows;
    return s;
  }
  s.batch = *batch;
  const auto strides = [&](const Shape& own, int64_t matrix) {
    Shape list(batch->size(), 0);
    const Shape dense = row_major_strides(own);
    for (size_t i = 0; i < own.size(); ++i)
      if (own[i] != 1) list[list.size() - own.size() + i] = dense[i] * matrix;
    return list;
  };
  s.a_batch = strides(a_batch, s.M * s.K);
  s.b_batch = strides(b_batch, s.K * s.N);
  return s;
}

std::vector<TensorType> MatMul::infer(Operands in) const {
  shape_of(in);
  check_types(label(), in);
  const Shape a = matrix_shape(in[kA]);
  const Shape& b = in[kB].shape;
  const Shape a_batch(a.begin(), a.end() - std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(a.size())));
  const Shape b_batch(b.begin(), b.end() - std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(b.size())));
  Shape y = *broadcast(a_batch, b_batch);
  if (a.size() > 1) y.push_back(a[a.size() - 2]);
  if (b.size() > 1) y.push_back(b.back());
  return {{in[kA].dtype, y}};
}

// numpy.matmul: every output of every matrix is a sum of K products.
Cost MatMul::cost(Operands in, std::span<const TensorType>) const {
  const LinearShape s = shape_of(in);
  Cost cost;
  cost.source = "ONNX MatMul, opset 1 to 13";
  cost.textbook = true;
  if (s.batch.empty())
    cost.formulas = {product(label(), "macs", {{"M", s.M}, {"N", s.N}, {"K", s.K}})};
  else
    cost.formulas = {product(label(), "macs", {{"batch", s.batches()}, {"M", s.M}, {"N", s.N}, {"K", s.K}})};
  cost.macs = cost.macs_nopad = cost.formulas[0].value;
  return cost;
}

}  // namespace tally
