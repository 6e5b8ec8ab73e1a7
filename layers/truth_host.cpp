#include "tally/layers/truth_host.h"

#include <utility>

#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"

namespace tally {

namespace {

enum class Truth { equal, less, less_or_equal, both, either, one };

struct TruthOperator {
  std::string_view op;
  Truth truth;
  bool swapped;  ///< of operands that have changed places
  bool logic;    ///< of booleans alone
};

constexpr TruthOperator kOperators[] = {{"Equal", Truth::equal, false, false},
                                        {"Less", Truth::less, false, false},
                                        {"Greater", Truth::less, true, false},
                                        {"LessOrEqual", Truth::less_or_equal, false, false},
                                        {"GreaterOrEqual", Truth::less_or_equal, true, false},
                                        {"And", Truth::both, false, true},
                                        {"Or", Truth::either, false, true},
                                        {"Xor", Truth::one, false, true}};

const TruthOperator* find(std::string_view op) {
  for (const TruthOperator& candidate : kOperators)
    if (candidate.op == op) return &candidate;
  return nullptr;
}

template <Truth truth, class T>
uint8_t test(T a, T b) {
  if constexpr (truth == Truth::equal) return a == b;
  if constexpr (truth == Truth::less) return a < b;
  if constexpr (truth == Truth::less_or_equal) return a <= b;
  if constexpr (truth == Truth::both) return static_cast<uint8_t>((a != 0) & (b != 0));
  if constexpr (truth == Truth::either) return static_cast<uint8_t>((a != 0) | (b != 0));
  if constexpr (truth == Truth::one) return static_cast<uint8_t>((a != 0) != (b != 0));
}

/// One row; loops whose strides the compiler knows.
template <Truth truth, class T>
void test_row(const T* a, const T* b, const PairLoop& row, uint8_t* y) {
  const int64_t n = row.size;
  if (row.a_stride == 1 && row.b_stride == 1) {
    for (int64_t i = 0; i < n; ++i) y[i] = test<truth, T>(a[i], b[i]);
  } else if (row.a_stride == 1 && row.b_stride == 0) {
    const T one = *b;
    for (int64_t i = 0; i < n; ++i) y[i] = test<truth, T>(a[i], one);
  } else if (row.a_stride == 0 && row.b_stride == 1) {
    const T one = *a;
    for (int64_t i = 0; i < n; ++i) y[i] = test<truth, T>(one, b[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = test<truth, T>(a[i * row.a_stride], b[i * row.b_stride]);
  }
}

template <class T>
using TestRow = void (*)(const T*, const T*, const PairLoop&, uint8_t*);

template <class T>
TestRow<T> row_of(Truth truth) {
  switch (truth) {
    case Truth::equal:
      return test_row<Truth::equal, T>;
    case Truth::less:
      return test_row<Truth::less, T>;
    case Truth::less_or_equal:
      return test_row<Truth::less_or_equal, T>;
    case Truth::both:
      return test_row<Truth::both, T>;
    case Truth::either:
      return test_row<Truth::either, T>;
    case Truth::one:
      return test_row<Truth::one, T>;
  }
  return nullptr;
}

}  // namespace

bool serves_truth_pair(std::string_view op, DType type) {
  const TruthOperator* found = find(op);
  if (!found || type == DType::f16 || type == DType::bf16) return false;
  if (type == DType::boolean) return found->logic || found->truth == Truth::equal;
  return !found->logic && with_number_type(type, [](auto) {});
}

void add_truth_pair(Preparation& preparation, std::string_view op, const PointwiseOperand& a, const PointwiseOperand& b,
                    const Placement& y, double cycles) {
  const TruthOperator& found = *find(op);
  const PointwiseOperand &first = found.swapped ? b : a, &second = found.swapped ? a : b;
  const std::vector<PairLoop> loops = pair_loops(y.type.shape, Layout::plain, 0, first.aligned, second.aligned);
  const int64_t n = element_count(y.type.shape);
  with_element_type(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_arithmetic_v<T>) {
      const auto run = [loops, row_test = row_of<T>(found.truth)](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                                  Tally* tally) noexcept {
        auto* out = reinterpret_cast<uint8_t*>(at[2]);
        int64_t done = 0;
        for_each_row(loops, 0, 0, [&](int64_t i, int64_t j, const PairLoop& row) {
          row_test(reinterpret_cast<const T*>(at[0]) + i, reinterpret_cast<const T*>(at[1]) + j, row, out + done);
          done += row.size;
        });
        if (!tally) return;
        tally->bytes_loaded += 2 * done * int64_t{sizeof(T)};
        tally->bytes_stored += done;
      };
      const int64_t bytes = n * int64_t{sizeof(T)};
      const int64_t weights = (a.constant + b.constant) * bytes;
      add_host_step(preparation, {first.buffer, second.buffer, y.buffer}, host_planned(2 * bytes - weights, weights, n),
                    cycles, run);
    }
  });
}

void add_negation(Preparation& preparation, const PointwiseOperand& x, BufferId y, int64_t n, double cycles) {
  const auto run = [n](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
    const auto* in = reinterpret_cast<const uint8_t*>(at[0]);
    auto* out = reinterpret_cast<uint8_t*>(at[1]);
    const int64_t count = n;  // bytes written may be anything, a step's own members too
    int64_t i = 0;
    for (; i < count; ++i) out[i] = in[i] == 0;
    if (!tally) return;
    tally->bytes_loaded += i;
    tally->bytes_stored += i;
  };
  add_host_step(preparation, {x.buffer, y}, host_planned(x.constant ? 0 : n, x.constant ? n : 0, n), cycles, run);
}

}  // namespace tally
