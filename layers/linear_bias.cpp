// Gemm's C in its less usual forms: a column, a single value beside other rows, a whole matrix, scaled, known or not.
#include "tally/layers/host_step.h"
#include "tally/layers/linear_methods.h"

namespace tally {

namespace {

/// Where element (m, n) of C broadcast to [M, N] lies: m · first + n · second.
std::pair<int64_t, int64_t> c_strides(const Shape& c, const LinearShape& s) {
  const int64_t columns = c.empty() ? 1 : c.back();
  const int64_t rows = c.size() < 2 ? 1 : c[c.size() - 2];
  return {rows == 1 ? 0 : columns, columns == 1 && s.N != 1 ? 0 : 1};
}

void expand(const float* c, std::pair<int64_t, int64_t> stride, const LinearShape& s, float* out) {
  // In double, so that no single-precision multiplication escapes the count.
  for (int64_t m = 0; m < s.M; ++m)
    for (int64_t n = 0; n < s.N; ++n) *out++ = static_cast<float>(s.beta * c[m * stride.first + n * stride.second]);
}

}  // namespace

bool LinearTask::c_is_bias() const { return has(Linear::kC) && is_row_vector(in[Linear::kC].shape); }

BufferId expand_c(const LinearTask& task, Preparation& preparation) {
  const LinearShape& s = task.shape;
  const Operand& c = task.in[Linear::kC];
  const auto stride = c_strides(c.shape, s);
  const int64_t elements = s.M * s.N;
  const bool ready = s.beta == 1 && element_count(c.shape) == elements;
  if (ready) return preparation.input(Linear::kC).buffer;
  if (c.constant) {
    AlignedBuffer table(elements * int64_t{sizeof(float)});
    expand(c.constant->values<float>().data(), stride, s, reinterpret_cast<float*>(table.data()));
    return preparation.add_weights(std::move(table), c.name + " expanded");
  }
  const BufferId target = preparation.add_scratch(elements * int64_t{sizeof(float)});
  auto run = [=](const std::vector<std::byte*>& p, int64_t, int64_t, Tally* tally) noexcept {
    expand(reinterpret_cast<const float*>(p[0]), stride, s, reinterpret_cast<float*>(p[1]));
    if (!tally) return;
    tally->bytes_loaded += 4 * elements;
    tally->bytes_stored += 4 * elements;
  };
  Planned planned;
  planned.loaded_activations = planned.tally.bytes_loaded = 4 * elements;
  planned.stored_scratch = planned.tally.bytes_stored = 4 * elements;
  add_host_step(preparation, {preparation.input(Linear::kC).buffer, target}, planned, static_cast<double>(elements),
                std::move(run));
  return target;
}

}  // namespace tally
