// Gemm and MatMul by plain loops: integers (sums wrap) and every floating-point type but float32 (sums in double).
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/linear_methods.h"

namespace tally {

namespace {

struct HostProduct {
  LinearShape s;
  int64_t c_m = 0, c_n = 0;  ///< strides of C broadcast to [M, N]
};

/// Row `row` (of all matrices) of Y.
template <class T>
void run_row(const HostProduct& h, const T* a, const T* b, const T* c, T* y, int64_t row) {
  const LinearShape& s = h.s;
  const int64_t matrix = row / s.M, m = row % s.M;
  a += batch_offset(s.batch, s.a_batch, matrix) + m * s.a_m;
  b += batch_offset(s.batch, s.b_batch, matrix);
  y += row * s.N;
  for (int64_t n = 0; n < s.N; ++n) {
    SumOf<T> sum = 0;
    for (int64_t k = 0; k < s.K; ++k) sum += to_sum(a[k * s.a_k]) * to_sum(b[k * s.b_k + n * s.b_n]);
    if constexpr (std::is_integral_v<T>) {
      // alpha and beta of integer matrices: ONNX leaves rounding open; towards zero, as numpy's cast does.
      if (s.alpha != 1)
        sum = static_cast<uint64_t>(static_cast<int64_t>(s.alpha * static_cast<double>(from_sum<int64_t>(sum))));
      if (c) {
        const auto term = static_cast<double>(from_sum<int64_t>(to_sum(c[m * h.c_m + n * h.c_n])));
        sum +=
            s.beta == 1 ? to_sum(c[m * h.c_m + n * h.c_n]) : static_cast<uint64_t>(static_cast<int64_t>(s.beta * term));
      }
    } else {
      sum = s.alpha * sum + (c ? s.beta * to_sum(c[m * h.c_m + n * h.c_n]) : 0.0);
    }
    y[n] = from_sum<T>(sum);
  }
}

template <class T>
void add_row_steps(const LinearTask& task, double cycles, Preparation& preparation) {
  HostProduct h{task.shape, 0, 0};
  const bool has_c = task.has(Linear::kC) && task.shape.beta != 0;
  if (has_c) {
    const Shape& c = task.in[Linear::kC].shape;
    const int64_t columns = c.empty() ? 1 : c.back(), rows = c.size() < 2 ? 1 : c[c.size() - 2];
    h.c_m = rows == 1 ? 0 : columns;
    h.c_n = columns == 1 ? 0 : 1;
  }
  const LinearShape& s = task.shape;
  const int64_t row_macs = s.N * s.K, size = sizeof(T);
  const int64_t row_c = has_c ? s.N : 0;
  auto run = [=](const std::vector<std::byte*>& p, int64_t begin, int64_t end, Tally* tally) noexcept {
    for (int64_t row = begin; row < end; ++row)
      run_row(h, reinterpret_cast<const T*>(p[0]), reinterpret_cast<const T*>(p[1]), reinterpret_cast<const T*>(p[2]),
              reinterpret_cast<T*>(p[3]), row);
    if (!tally) return;
    tally->macs += (end - begin) * row_macs;
    tally->bytes_loaded += (end - begin) * (2 * row_macs + row_c) * size;
    tally->bytes_stored += (end - begin) * h.s.N * size;
  };
  std::vector<BufferId> ids = {preparation.input(Linear::kA).buffer, preparation.input(Linear::kB).buffer,
                               has_c ? preparation.input(Linear::kC).buffer : -1, preparation.output(0).buffer};
  Planned p = host_planned(s.batches() * s.M * row_macs * size, s.batches() * s.M * (row_macs + row_c) * size,
                           s.batches() * s.M * s.N * size);
  p.tally.macs = s.batches() * s.M * row_macs;
  add_host_step(preparation, std::move(ids), p, cycles, std::move(run), s.batches() * s.M);
}

}  // namespace

void list_linear_host(const LinearTask& task, const PlanContext&, std::vector<Candidate>& list) {
  if (!list.empty()) return;
  Candidate c;
  c.kernel = "host";
  c.inputs.assign(task.in.size(), Layout::plain);
  c.outputs = {Layout::plain};
  c.cycles = 4.0 * static_cast<double>(task.shape.batches()) * static_cast<double>(task.shape.M) *
             static_cast<double>(task.shape.N) * static_cast<double>(task.shape.K);
  list.push_back(std::move(c));
}

void prepare_linear_host(const LinearTask& task, const Candidate& candidate, Preparation& preparation) {
  with_number_type(task.in[Linear::kA].dtype,
                   [&](auto tag) { add_row_steps<typename decltype(tag)::type>(task, candidate.cycles, preparation); });
}

}  // namespace tally
