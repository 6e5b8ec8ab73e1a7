// MatMulInteger: Y = (A − a_zero) · (B − b_zero) in int32 (ONNX MatMulInteger, opset 10), and QLinearMatMul: of the
// same sums Y = saturate(round(Σ · a_scale · b_scale / y_scale) + y_zero) (ONNX QLinearMatMul, opset 10 and 21).
// Parameters of A are one or one a row, those of B one or one a column. int8 and uint8; plain loops.
#include <array>

#include "tally/layers/host_step.h"
#include "tally/layers/linear_methods.h"
#include "tally/layers/operand.h"
#include "tally/layers/placement.h"
#include "tally/layers/requantise.h"
#include "tally/platforms/rounding.h"

namespace tally {

namespace {

/// Operands by place in the node's inputs; -1: the operator has none.
struct ProductInputs {
  int a, b, a_zero, b_zero;
  int a_scale = -1, b_scale = -1, y_scale = -1, y_zero = -1;
};

constexpr ProductInputs kMatMulInteger{0, 1, 2, 3};
constexpr ProductInputs kQLinearMatMul{0, 3, 2, 5, 1, 4, 6, 7};

/// Where the operands of a step lie in its list.
enum StepOperand { kA, kB, kAZero, kBZero, kAScale, kBScale, kYScale, kYZero, kY };

/// Columns of a row that are summed at once.
constexpr int64_t kColumns = 64;

/// The product, and how many parameters of each kind there are.
struct IntegerProduct {
  LinearShape s;
  int64_t a_zeros = 1, b_zeros = 1, a_scales = 1, b_scales = 1;
  ElementReader scale = nullptr;  ///< of all three

  int64_t rows() const { return s.batches() * s.M; }
  /// Rows of A, and matrices of B, by output row.
  int64_t a_row(int64_t row) const {
    const int64_t matrix = s.M * s.K;
    return matrix == 0 ? 0 : batch_offset(s.batch, s.a_batch, row / s.M) / matrix * s.M + row % s.M;
  }
  int64_t b_matrix(int64_t row) const {
    const int64_t matrix = s.K * s.N;
    return matrix == 0 ? 0 : batch_offset(s.batch, s.b_batch, row / s.M) / matrix;
  }
};

/// Columns [begin, begin + count) of one row: Σ_k (a[k] − a_zero) · (b[k, n] − b_zero[n]) modulo 2^32.
template <class A, class B>
void sum_columns(const LinearShape& s, const A* a, int32_t a_zero, const B* b, const int32_t* b_zeros, int64_t count,
                 uint32_t* sums) {
  for (int64_t j = 0; j < count; ++j) sums[j] = 0;
  for (int64_t k = 0; k < s.K; ++k) {
    const int32_t value = a[k * s.a_k] - a_zero;
    const B* row = b + k * s.b_k;
    for (int64_t j = 0; j < count; ++j) sums[j] += static_cast<uint32_t>(value * (row[j] - b_zeros[j]));
  }
}

/// One row of Y.
template <class A, class B, class Y>
void run_row(const IntegerProduct& h, const std::vector<std::byte*>& at, int64_t row) {
  const LinearShape& s = h.s;
  const A* a = reinterpret_cast<const A*>(at[kA]) + batch_offset(s.batch, s.a_batch, row / s.M) + row % s.M * s.a_m;
  const B* b = reinterpret_cast<const B*>(at[kB]) + batch_offset(s.batch, s.b_batch, row / s.M);
  Y* y = reinterpret_cast<Y*>(at[kY]) + row * s.N;
  const int64_t a_row = h.a_row(row), b_column = h.b_matrix(row) * s.N;
  const int32_t a_zero = at[kAZero] ? reinterpret_cast<const A*>(at[kAZero])[a_row % h.a_zeros] : 0;
  double factor = 1;
  Y y_zero = 0;
  if constexpr (!std::is_same_v<Y, int32_t>) {
    factor = h.scale(at[kAScale], a_row % h.a_scales) / h.scale(at[kYScale], 0);
    y_zero = *reinterpret_cast<const Y*>(at[kYZero]);
  }
  for (int64_t first = 0; first < s.N; first += kColumns) {
    const int64_t count = std::min(kColumns, s.N - first);
    int32_t b_zeros[kColumns] = {};
    uint32_t sums[kColumns];
    if (at[kBZero])
      for (int64_t j = 0; j < count; ++j)
        b_zeros[j] = reinterpret_cast<const B*>(at[kBZero])[(b_column + first + j) % h.b_zeros];
    sum_columns(s, a, a_zero, b + first, b_zeros, count, sums);
    for (int64_t j = 0; j < count; ++j) {
      const auto sum = static_cast<int32_t>(sums[j]);
      if constexpr (std::is_same_v<Y, int32_t>)
        y[first + j] = sum;
      else
        y[first + j] = requantised<Y>(sum, factor * h.scale(at[kBScale], (b_column + first + j) % h.b_scales), y_zero);
    }
  }
}

class IntegerMatMul final : public Layer {
 public:
  IntegerMatMul(const Node& node, const ProductInputs& inputs)
      : Layer(node), i_(inputs), product_(product_node(node)) {}

  std::vector<TensorType> infer(Operands in) const override {
    const bool requantises = i_.y_scale >= 0;
    require_inputs(label(), in, requantises ? 8 : 2, requantises ? 8 : 4);
    require_8_bits(label(), in[at(i_.a)], requantises ? "a" : "A");
    require_8_bits(label(), in[at(i_.b)], requantises ? "b" : "B");
    Shape y = product_.infer(matrices(in))[0].shape;
    integer_product(in);
    check_type(in, i_.a_zero, "a_zero_point", in[at(i_.a)].dtype);
    check_type(in, i_.b_zero, "b_zero_point", in[at(i_.b)].dtype);
    if (!requantises) return {{DType::i32, std::move(y)}};
    require_8_bits(label(), in[at(i_.y_zero)], "y_zero_point");
    if (const DType type = in[at(i_.a_scale)].dtype; type != DType::f32 && type != DType::f16 && type != DType::bf16)
      fail(label(), text("a_scale of type ", name_of(type)), "must be float32, float16 or bfloat16");
    check_type(in, i_.b_scale, "b_scale", in[at(i_.a_scale)].dtype);
    check_type(in, i_.y_scale, "y_scale", in[at(i_.a_scale)].dtype);
    for (int input : {i_.y_scale, i_.y_zero})
      if (element_count(in[at(input)].shape) != 1)
        fail(label(), text("input ", input, " of shape ", to_string(in[at(input)].shape)), "must have one element");
    return {{in[at(i_.y_zero)].dtype, std::move(y)}};
  }

  Role role(int input, Operands) const override { return is_matrix(input) ? Role::weight : Role::free; }
  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override {
    return is_matrix(input) ? -1 : 0;
  }

  // As MatMul; the zero points belong to the products. A requantised result costs what QuantizeLinear does.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    Cost cost = product_.cost(matrices(in), out);
    cost.source = "ONNX " + op() + ", opset 10 and 21";
    if (i_.y_scale >= 0) add_requantisation(cost, element_count(out[0].shape, label()), label());
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    const IntegerProduct h = integer_product(in);
    const double cycles = static_cast<double>(h.rows()) * static_cast<double>(h.s.N) * static_cast<double>(h.s.K);
    return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain, cycles)};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    for (size_t i = 0; i < in.size(); ++i)
      if (!is_matrix(static_cast<int>(i)) && in[i].present && element_count(in[i].shape) > 1)
        return Layer::stream(in, time_axes);
    const std::array<int, 2> axes = {time_axes[at(i_.a)], time_axes[at(i_.b)]};
    return product_.stream(matrices(in), axes);
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const IntegerProduct h = integer_product(in);
    if (h.rows() * h.s.N == 0) return;
    with_8_bits(in[at(i_.a)].dtype, [&](auto a) {
      with_8_bits(in[at(i_.b)].dtype, [&](auto b) {
        using A = typename decltype(a)::type;
        using B = typename decltype(b)::type;
        if (i_.y_scale < 0) return add_row_steps<A, B, int32_t>(p, h, candidate.cycles);
        with_8_bits(in[at(i_.y_zero)].dtype,
                    [&](auto y) { add_row_steps<A, B, typename decltype(y)::type>(p, h, candidate.cycles); });
      });
    });
  }

 private:
  static size_t at(int input) { return static_cast<size_t>(input); }
  bool is_matrix(int input) const { return input == i_.a || input == i_.b; }

  /// The node of the same product of real matrices.
  static Node product_node(const Node& node) {
    Node product = node;
    product.inputs = {"A", "B"};
    return product;
  }
  std::array<Operand, 2> matrices(Operands in) const {
    std::array<Operand, 2> list = {in[at(i_.a)], in[at(i_.b)]};
    for (Operand& matrix : list) {
      matrix.dtype = DType::f32;
      matrix.constant = nullptr;
    }
    return list;
  }

  void check_type(Operands in, int input, const char* name, DType type) const {
    if (has_operand(in, input) && in[at(input)].dtype != type)
      fail(label(), text(name, " of type ", name_of(in[at(input)].dtype)), text("must be ", name_of(type)));
  }

  /// Parameters of A or B: one, one a row (column) of every matrix, or one a row (column) of all.
  int64_t parameters(Operands in, int input, bool of_rows) const {
    if (!has_operand(in, input)) return 1;
    const Shape &own = in[at(input)].shape, &matrix = in[at(of_rows ? i_.a : i_.b)].shape;
    if (element_count(own) == 1) return 1;
    const size_t axis = matrix.size() - (of_rows ? 2 : 1), other = matrix.size() - (of_rows ? 1 : 2);
    bool fits = matrix.size() >= 2 && own == Shape{matrix[axis]};
    if (!fits && matrix.size() >= 2 && own.size() == matrix.size()) {
      Shape all = matrix, each(matrix.size(), 1);
      all[other] = 1;
      each[axis] = matrix[axis];
      fits = own == all || own == each;
    }
    if (!fits)
      fail(label(), text("parameters of shape ", to_string(own)),
           text("must be one, or one a ", of_rows ? "row" : "column", " of ", to_string(matrix)));
    return element_count(own);
  }

  IntegerProduct integer_product(Operands in) const {
    IntegerProduct h;
    h.s = product_.shape_of(matrices(in));
    h.a_zeros = parameters(in, i_.a_zero, true);
    h.b_zeros = parameters(in, i_.b_zero, false);
    h.a_scales = parameters(in, i_.a_scale, true);
    h.b_scales = parameters(in, i_.b_scale, false);
    if (i_.a_scale >= 0) h.scale = element_reader(in[at(i_.a_scale)].dtype);
    return h;
  }

  template <class A, class B, class Y>
  void add_row_steps(Preparation& p, const IntegerProduct& h, double cycles) const {
    const Operands in = p.inputs();
    const LinearShape& s = h.s;
    const int64_t columns = divide_up(s.N, kColumns);
    int64_t loads[2] = {};  // a row's, of activations and of constants
    std::vector<BufferId> ids;
    const auto add = [&](int input, int64_t elements) {
      ids.push_back(has_operand(in, input) ? p.input(input).buffer : -1);
      if (has_operand(in, input))
        loads[in[at(input)].constant != nullptr] += elements * bytes_around(in[at(input)].dtype);
    };
    add(i_.a, s.K * columns);
    add(i_.b, s.K * s.N);
    add(i_.a_zero, 1);
    add(i_.b_zero, s.N);
    add(i_.a_scale, 1);
    add(i_.b_scale, s.N);
    add(i_.y_scale, 1);
    add(i_.y_zero, 1);
    ids.push_back(p.output(0).buffer);
    Planned planned = host_planned(h.rows() * loads[0], h.rows() * loads[1], h.rows() * s.N * int64_t{sizeof(Y)});
    planned.tally.macs = h.rows() * s.N * s.K;
    const int64_t row_bytes = loads[0] + loads[1];
    const auto run = [h, row_bytes](const std::vector<std::byte*>& at, int64_t begin, int64_t end,
                                    Tally* tally) noexcept {
      int64_t done = 0;
      for (int64_t row = begin; row < end; ++row, ++done) run_row<A, B, Y>(h, at, row);
      if (!tally) return;
      tally->macs += done * h.s.N * h.s.K;
      tally->bytes_loaded += done * row_bytes;
      tally->bytes_stored += done * h.s.N * int64_t{sizeof(Y)};
    };
    add_host_step(p, std::move(ids), planned, cycles, run, h.rows());
  }

  ProductInputs i_;
  MatMul product_;
};

}  // namespace

std::unique_ptr<Layer> make_matmul_integer(const Node& node) {
  return std::make_unique<IntegerMatMul>(node, kMatMulInteger);
}
std::unique_ptr<Layer> make_qlinear_matmul(const Node& node) {
  return std::make_unique<IntegerMatMul>(node, kQLinearMatMul);
}

}  // namespace tally
