// Det: the determinants of a batch of square matrices, X [*, M, M] to Y [*]. ONNX Det, opset 11 to 24. By LU
// decomposition with partial pivoting (Golub and Van Loan, Matrix Computations, algorithm 3.4.1), in double.
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// What one decomposition does, whatever the values: rows trade places, if only with themselves, and a pivot of zero
/// eliminates like any other.
struct Decomposition {
  int64_t M = 0;
  int64_t pairs() const { return M * (M - 1) / 2; }                   ///< entries below the diagonal
  int64_t products() const { return (M - 1) * M * (2 * M - 1) / 6; }  ///< Σ_k (M − 1 − k)²

  // Elements of the working copy.
  int64_t loads() const { return 4 * (pairs() + M) + 2 * products(); }
  int64_t stores() const { return M * M + 2 * (pairs() + M) + products(); }
};

/// The determinant of a[M, M], which it overwrites; adds the elements of `a` it loads and stores.
double determinant(double* a, int64_t M, int64_t& loads, int64_t& stores) {
  double det = 1;
  for (int64_t k = 0; k < M; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < M; ++i)
      if (std::abs(a[i * M + k]) > std::abs(a[pivot * M + k])) pivot = i;
    for (int64_t j = k; j < M; ++j) std::swap(a[k * M + j], a[pivot * M + j]);
    loads += M - k + 2 * (M - k);
    stores += 2 * (M - k);
    const double diagonal = a[k * M + k];
    det *= pivot == k ? diagonal : -diagonal;
    ++loads;
    for (int64_t i = k + 1; i < M; ++i) {
      const double factor = diagonal == 0 ? 0 : a[i * M + k] / diagonal;
      for (int64_t j = k + 1; j < M; ++j) a[i * M + j] -= factor * a[k * M + j];
      loads += 1 + 2 * (M - k - 1);
      stores += M - k - 1;
    }
  }
  return det;
}

class Det final : public Layer {
 public:
  using Layer::Layer;

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (!is_real(in[0].dtype))
      fail(label(), text("X of type ", name_of(in[0].dtype)), "must be float16, bfloat16, float32 or float64");
    const Shape& x = in[0].shape;
    if (x.size() < 2 || x[x.size() - 1] != x[x.size() - 2])
      fail(label(), text("X of shape ", to_string(x)), "must end in two equal extents");
    constexpr int64_t kMost = int64_t{1} << 20;  // squares and cubes of it stay far from overflow
    if (x.back() > kMost) fail(label(), text("M=", x.back()), text("must be at most ", kMost), ErrorCode::limit);
    return {{in[0].dtype, Shape(x.begin(), x.end() - 2)}};
  }

  // (M − 1)·M·(2M − 1)/6 products to subtract, M·(M − 1)/2 quotients, the product of the diagonal; M·(M − 1)/2
  // comparisons for the pivots.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    const Decomposition d{in[0].shape.back()};
    const Factor matrices{"matrices", element_count(out[0].shape, label())};
    const int64_t operations = 2 * d.products() + d.pairs() + std::max<int64_t>(0, d.M - 1);
    Cost cost;
    cost.coverage = Coverage::approximate;
    cost.reason = "ONNX leaves the method open: counted as LU decomposition";
    cost.source = "Golub and Van Loan, Matrix Computations, algorithm 3.4.1";
    cost.formulas = {product(label(), "elementwise", {matrices, {"((M−1)·M·(2M−1)/3+M·(M−1)/2+M−1)", operations}}),
                     product(label(), "comparisons", {matrices, {"M·(M−1)/2", d.pairs()}})};
    cost.elementwise = cost.formulas[0].value;
    cost.comparisons = cost.formulas[1].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto rank = static_cast<int>(in[0].shape.size());
    return stream_through(in, time_axes, 1, [&](int axis) { return axis < rank - 2 ? axis : -1; });
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    const double products = static_cast<double>(Decomposition{in[0].shape.back()}.products());
    const double elements = static_cast<double>(element_count(in[0].shape));
    return {uniform_candidate(
        "host", 1, 1, Layout::plain, Layout::plain,
        kHostCyclesPerElement * elements + 2 * products * static_cast<double>(element_count(out[0].shape)))};
  }

  void prepare(const Candidate& candidate, Preparation& preparation) const override {
    with_number_type(preparation.inputs()[0].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) add_step<T>(candidate.cycles, preparation);
    });
  }

 private:
  template <class T>
  static void add_step(double cycles, Preparation& p) {
    const Operand& x = p.inputs()[0];
    const int64_t M = x.shape.back(), matrices = element_count(p.outputs()[0].shape);
    if (matrices == 0) return;
    const BufferId scratch = p.add_scratch(std::max<int64_t>(1, M * M) * int64_t{sizeof(double)});
    const auto run = [M, matrices](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      auto* a = reinterpret_cast<double*>(at[1]);
      int64_t matrix = 0, loads = 0, stores = 0;
      for (; matrix < matrices; ++matrix) {
        const T* from = reinterpret_cast<const T*>(at[0]) + matrix * M * M;
        for (int64_t i = 0; i < M * M; ++i) a[i] = static_cast<double>(to_sum(from[i]));
        stores += M * M;
        reinterpret_cast<T*>(at[2])[matrix] = from_sum<T>(determinant(a, M, loads, stores));
      }
      if (!tally) return;
      tally->bytes_loaded += matrix * M * M * int64_t{sizeof(T)} + loads * int64_t{sizeof(double)};
      tally->bytes_stored += matrix * int64_t{sizeof(T)} + stores * int64_t{sizeof(double)};
    };
    const int64_t read = matrices * M * M * int64_t{sizeof(T)}, stored = matrices * int64_t{sizeof(T)};
    const Decomposition d{M};
    Planned planned = host_planned(x.constant ? 0 : read, x.constant ? read : 0, stored);
    planned.loaded_scratch = matrices * d.loads() * int64_t{sizeof(double)};
    planned.stored_scratch = matrices * d.stores() * int64_t{sizeof(double)};
    planned.tally.bytes_loaded += planned.loaded_scratch;
    planned.tally.bytes_stored += planned.stored_scratch;
    add_host_step(p, {p.input(0).buffer, scratch, p.output(0).buffer}, planned, cycles, run);
  }
};

}  // namespace

std::unique_ptr<Layer> make_det(const Node& node) { return std::make_unique<Det>(node); }

}  // namespace tally
