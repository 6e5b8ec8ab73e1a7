#include "tally/layers/pointwise_host.h"

#include <cmath>
#include <limits>

#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"

namespace tally {

namespace {

/// A real as an element of type T; integers are cut off and brought to the nearest that fits, NaN to 0.
template <class T>
T from_real(double x) {
  if constexpr (std::is_integral_v<T>) {
    if (std::isnan(x)) return 0;
    if (x <= static_cast<double>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
    if (x >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return static_cast<T>(x);
  } else {
    return from_sum<T>(x);
  }
}

/// f of two elements of T, as an element of Y: T itself, or uint8_t for a truth.
template <class T, class Y>
Y combine(const PointwiseHost& f, T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<Y>(f.integer(to_sum(a), to_sum(b), f.parameters));
  else if constexpr (std::is_same_v<T, Y>)
    return from_sum<Y>(f.real(to_sum(a), to_sum(b), f.parameters) / f.divisor);
  else
    return f.real(to_sum(a), to_sum(b), f.parameters) != 0;
}

template <class T>
double as_real(T value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<double>(value);
  else
    return to_sum(value);
}

using ReadInteger = uint64_t (*)(const std::byte* values, int64_t i);

ReadInteger integer_reader(DType type) {
  ReadInteger read = nullptr;
  with_element_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>)
      read = [](const std::byte* values, int64_t i) { return to_sum(reinterpret_cast<const T*>(values)[i]); };
  });
  return read;
}

/// Calls make(TypeTag<T>, TypeTag<Y>) with the operands' and the result's types.
template <class F>
void with_types(DType type, bool truth, F make) {
  with_element_type(type, [&](auto tag) {
    if (truth)
      make(tag, TypeTag<uint8_t>{});
    else
      make(tag, tag);
  });
}

/// Bytes of a pair of operands, read n times each, and of the result.
Planned pair_planned(const PointwiseOperand& a, const PointwiseOperand& b, int64_t n, int64_t result_bytes) {
  int64_t weights = 0, activations = 0;
  for (const PointwiseOperand* x : {&a, &b}) (x->constant ? weights : activations) += n * bytes_of(x->dtype, 1);
  return host_planned(activations, weights, n * result_bytes);
}

/// Operands of different types: a real where either is, else integers.
void add_mixed_pair(Preparation& preparation, const PointwiseHost& f, const PointwiseOperand& a,
                    const PointwiseOperand& b, const std::vector<PairLoop>& loops, BufferId y, int64_t n) {
  const ReadInteger b_integer = is_real(a.dtype) ? nullptr : integer_reader(b.dtype);
  const RealReader b_real = real_reader(b.dtype);
  const auto b_bytes = bytes_of(b.dtype, 1);
  with_element_type(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      T* out = reinterpret_cast<T*>(at[2]);
      int64_t done = 0;
      for_each_row(loops, 0, 0, [&](int64_t i, int64_t j, const PairLoop& row) {
        for (int64_t k = 0; k < row.size; ++k, i += row.a_stride, j += row.b_stride) {
          const T x = reinterpret_cast<const T*>(at[0])[i];
          if constexpr (std::is_integral_v<T>) {
            if (b_integer) {
              out[done++] = static_cast<T>(f.integer(to_sum(x), b_integer(at[1], j), f.parameters));
              continue;
            }
          }
          out[done++] = from_real<T>(f.real(as_real(x), b_real(at[1], j), f.parameters));
        }
      });
      if (!tally) return;
      tally->bytes_loaded += done * (int64_t{sizeof(T)} + b_bytes);
      tally->bytes_stored += done * int64_t{sizeof(T)};
    };
    add_host_step(preparation, {a.buffer, b.buffer, y}, pair_planned(a, b, n, int64_t{sizeof(T)}),
                  kHostCyclesPerElement * static_cast<double>(n), run);
  });
}

}  // namespace

void add_pointwise_unary(Preparation& preparation, const PointwiseHost& f, const PointwiseOperand& x, BufferId y,
                         int64_t n) {
  with_types(x.dtype, f.truth, [&](auto tag, auto result_tag) {
    using T = typename decltype(tag)::type;
    using Y = typename decltype(result_tag)::type;
    const auto run = [f, n](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const T* in = reinterpret_cast<const T*>(at[0]);
      Y* out = reinterpret_cast<Y*>(at[1]);
      int64_t i = 0;
      for (; i < n; ++i) out[i] = combine<T, Y>(f, in[i], T{});
      if (!tally) return;
      tally->bytes_loaded += i * int64_t{sizeof(T)};
      tally->bytes_stored += i * int64_t{sizeof(Y)};
    };
    const int64_t read = n * int64_t{sizeof(T)};
    add_host_step(preparation, {x.buffer, y},
                  host_planned(x.constant ? 0 : read, x.constant ? read : 0, n * int64_t{sizeof(Y)}),
                  kHostCyclesPerElement * static_cast<double>(n), run);
  });
}

void add_pointwise_pair(Preparation& preparation, const PointwiseHost& f, const PointwiseOperand& a,
                        const PointwiseOperand& b, const Placement& y) {
  const Shape& shape = y.type.shape;
  const std::vector<PairLoop> loops = pair_loops(shape, Layout::plain, 0, a.aligned, b.aligned);
  const int64_t n = element_count(shape);
  if (a.dtype != b.dtype) return add_mixed_pair(preparation, f, a, b, loops, y.buffer, n);
  with_types(a.dtype, f.truth, [&](auto tag, auto result_tag) {
    using T = typename decltype(tag)::type;
    using Y = typename decltype(result_tag)::type;
    const auto run = [f, loops](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const T *u = reinterpret_cast<const T*>(at[0]), *v = reinterpret_cast<const T*>(at[1]);
      Y* out = reinterpret_cast<Y*>(at[2]);
      int64_t done = 0;
      for_each_row(loops, 0, 0, [&](int64_t i, int64_t j, const PairLoop& row) {
        for (int64_t k = 0; k < row.size; ++k)
          out[done++] = combine<T, Y>(f, u[i + k * row.a_stride], v[j + k * row.b_stride]);
      });
      if (!tally) return;
      tally->bytes_loaded += 2 * done * int64_t{sizeof(T)};
      tally->bytes_stored += done * int64_t{sizeof(Y)};
    };
    add_host_step(preparation, {a.buffer, b.buffer, y.buffer}, pair_planned(a, b, n, int64_t{sizeof(Y)}),
                  kHostCyclesPerElement * static_cast<double>(n), run);
  });
}

}  // namespace tally
