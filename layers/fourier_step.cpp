#include "tally/layers/fourier_step.h"

#include <limits>

#include "tally/layers/formula.h"
#include "tally/layers/real_number.h"

namespace tally {

namespace {

constexpr auto kComplexBytes = static_cast<int64_t>(sizeof(Complex));

/// Elements of the tensors that a run touched, and of the work memory.
struct Touched {
  int64_t samples = 0, window = 0, bins = 0;
  WorkMoved work;
};

/// Row (a, b). The inverse transform is the transform of numbers whose parts are exchanged, exchanged again.
template <class T>
void transform_row(const FourierTransform& transform, const FourierRows& r, const T* x, const T* window, T* y,
                   Complex* work, Touched& touched) {
  Complex* operand = work + transform.input();
  for (int64_t j = 0; j < r.n; ++j) {
    Complex value;
    if (j < r.samples) {
      const T* at = x + j * r.x.along;
      value = {to_real(at[0]), r.complex ? to_real(at[1]) : 0};
      touched.samples += r.complex ? 2 : 1;
    }
    if (window != nullptr) {
      const double weight = to_real(window[j]);
      value = {value.re * weight, value.im * weight};
      ++touched.window;
    }
    operand[j] = r.inverse ? Complex{value.im, value.re} : value;
    ++touched.work.stored;
  }
  const Complex* results = transform.run(work, touched.work);
  const double n = static_cast<double>(r.n);
  for (int64_t k = 0; k < r.bins; ++k) {
    const Complex value = r.inverse ? Complex{results[k].im / n, results[k].re / n} : results[k];
    y[k * r.y.along] = from_real<T>(value.re);
    y[k * r.y.along + 1] = from_real<T>(value.im);
    ++touched.work.loaded;
    touched.bins += 2;
  }
}

Planned planned_rows(Preparation& p, const FourierRows& r, const FourierTransform& transform, int64_t size) {
  const int64_t rows = r.outer * r.inner;
  Planned planned = host_planned(p, {{0, rows * r.samples * (r.complex ? 2 : 1) * size}}, rows * r.bins * 2 * size);
  if (r.window >= 0) planned += host_planned(p, {{r.window, rows * r.n * size}}, 0);
  const WorkMoved begin = transform.planned_begin(), run = transform.planned_run();
  planned.loaded_scratch = (begin.loaded + rows * (run.loaded + r.bins)) * kComplexBytes;
  planned.stored_scratch = (begin.stored + rows * (run.stored + r.n)) * kComplexBytes;
  planned.tally.bytes_loaded += planned.loaded_scratch;
  planned.tally.bytes_stored += planned.stored_scratch;
  return planned;
}

template <class T>
void add_typed_step(Preparation& p, const FourierRows& r, double cycles) {
  const auto transform = std::make_shared<const FourierTransform>(r.n);
  const auto run = [r, transform](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
    const T* x = reinterpret_cast<const T*>(at[0]);
    T* y = reinterpret_cast<T*>(at[1]);
    auto* work = reinterpret_cast<Complex*>(at[2]);
    const T* window = reinterpret_cast<const T*>(at[3]);
    Touched touched;
    transform->begin(work, touched.work);
    for (int64_t a = 0; a < r.outer; ++a)
      for (int64_t b = 0; b < r.inner; ++b)
        transform_row(*transform, r, x + a * r.x.outer + b * r.x.inner, window, y + a * r.y.outer + b * r.y.inner, work,
                      touched);
    if (!tally) return;
    tally->bytes_loaded +=
        (touched.samples + touched.window) * int64_t{sizeof(T)} + touched.work.loaded * kComplexBytes;
    tally->bytes_stored += touched.bins * int64_t{sizeof(T)} + touched.work.stored * kComplexBytes;
  };
  const Planned planned = planned_rows(p, r, *transform, int64_t{sizeof(T)});
  const BufferId work = p.add_scratch(FourierTransform::work(r.n) * kComplexBytes);
  const BufferId window = r.window >= 0 ? p.input(r.window).buffer : -1;
  add_host_step(p, {p.input(0).buffer, p.output(0).buffer, work, window}, planned, cycles, run);
}

}  // namespace

void add_fourier_step(Preparation& p, const FourierRows& rows, double cycles) {
  with_number_type(p.outputs()[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) add_typed_step<T>(p, rows, cycles);
  });
}

Cost fourier_cost(std::string source, int64_t rows, int64_t n, bool complex, int64_t window) {
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  const int64_t transform = fourier_operations(n, !complex), products = window * (complex ? 2 : 1);
  Cost cost;
  cost.source = std::move(source);
  cost.coverage = Coverage::approximate;
  cost.reason = complex ? "5·n·log2 n operations a transform, the usual count, however n factors"
                        : "2.5·n·log2 n operations a real transform, the usual count, however n factors";
  cost.elementwise =
      products <= kMost - transform ? checked_multiply(rows, transform + products).value_or(kMost) : kMost;
  cost.formulas = {
      {"elementwise", text("rows·(", complex ? "5" : "2.5", "·n·log2 n", window > 0 ? " + window" : "", ")"),
       text(rows, "·(", transform, window > 0 ? text(" + ", products) : "", "), n = ", n), cost.elementwise}};
  return cost;
}

int64_t scalar_integer(const std::string& who, const char* what, const Operand& operand) {
  if (operand.dtype != DType::i32 && operand.dtype != DType::i64)
    fail(who, text(what, " of type ", name_of(operand.dtype)), "must be int32 or int64");
  if (!operand.constant || !operand.constant->has_data()) fail(who, what, "must be constant or bound before planning");
  if (element_count(operand.shape) != 1)
    fail(who, text(what, " of shape ", to_string(operand.shape)), "must have one element");
  return operand.constant->to_int64()[0];
}

}  // namespace tally
