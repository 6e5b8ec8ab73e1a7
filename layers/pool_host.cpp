// Pooling by plain loops: every number type, any number of axes, and the indices of maxima.
#include <algorithm>
#include <limits>

#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/pool.h"

namespace tally {

namespace {

/// One channel of one image.
template <class T>
class HostWindow {
 public:
  HostWindow(const PoolTask& task, const T* x) : task_(task), x_(x) {}

  /// Reduces the window of output `at` (one index an axis); returns the taps inside.
  int64_t reduce(const int64_t* at) {
    sum_ = 0;
    found_ = false;
    best_ = lowest();
    best_row_ = best_column_ = 0;
    taps_ = counted_ = 0;
    walk(0, at, 0, 0, 1, true);
    return taps_;
  }
  T result() const {
    if (task_.kind == PoolKind::max) return best_;
    return average();
  }
  /// Index within the image, rows or columns first.
  int64_t index(bool column_major) const { return column_major ? best_column_ : best_row_; }

 private:
  static T lowest() {
    if constexpr (std::is_integral_v<T>)
      return std::numeric_limits<T>::lowest();
    else
      return from_sum<T>(-std::numeric_limits<double>::infinity());
  }
  static auto comparable(T v) {
    if constexpr (std::is_integral_v<T>)
      return v;
    else
      return to_sum(v);
  }
  T average() const {
    if constexpr (std::is_integral_v<T>)
      return 0;
    else
      return from_sum<T>(counted_ > 0 ? sum_ / static_cast<double>(counted_) : 0.0);
  }

  /// `row`, `column`: index so far with the last, or the first axis fastest; `inside`: no tap so far on padding.
  void walk(size_t d, const int64_t* at, int64_t row, int64_t column, int64_t column_stride, bool inside) {
    const std::vector<WindowAxis>& axes = task_.shape.axes;
    if (d == axes.size()) return take(row, column, inside);
    const WindowAxis& a = axes[d];
    for (int64_t k = 0; k < a.kernel; ++k) {
      const int64_t i = at[d] * a.stride - a.pad_begin + k * a.dilation;
      const bool here = i >= 0 && i < a.in;
      const bool counts = here || (task_.count_include_pad && i >= -a.pad_begin && i < a.in + a.pad_end);
      if (counts) walk(d + 1, at, row * a.in + i, column + i * column_stride, column_stride * a.in, inside && here);
    }
  }

  void take(int64_t row, int64_t column, bool inside) {
    ++counted_;
    if (!inside) return;
    ++taps_;
    const T value = x_[row];
    if (task_.kind == PoolKind::average) {
      if constexpr (!std::is_integral_v<T>) sum_ += to_sum(value);
      return;
    }
    if (found_ && !(comparable(value) > comparable(best_))) return;
    found_ = true;
    best_ = value;
    best_row_ = row;
    best_column_ = column;
  }

  const PoolTask& task_;
  const T* x_;
  double sum_ = 0;
  T best_{};
  bool found_ = false;
  int64_t best_row_ = 0, best_column_ = 0, taps_ = 0, counted_ = 0;
};

/// All outputs of one channel of one image; returns the taps read.
template <class T>
int64_t pool_map(const PoolTask& task, int64_t map, const T* x, T* y, int64_t* indices) {
  const int64_t inputs = task.shape.inputs(), outputs = task.shape.outputs();
  HostWindow<T> window(task, x + map * inputs);
  int64_t at[kMaxPoolAxes] = {}, taps = 0;
  for (int64_t o = 0; o < outputs; ++o) {
    taps += window.reduce(at);
    y[map * outputs + o] = window.result();
    if (indices) indices[map * outputs + o] = map * inputs + window.index(task.column_major);
    next_output(task.shape.axes, at);
  }
  return taps;
}

}  // namespace

void add_host_pool_step(Preparation& preparation, const PoolTask& task) {
  const Operand& x = preparation.inputs()[0];
  const BufferId indices =
      preparation.outputs().size() > Pool::kIndices ? preparation.output(Pool::kIndices).buffer : -1;
  const int64_t maps = task.shape.N * task.shape.C, outputs = maps * task.shape.outputs();
  if (outputs == 0) return;
  with_number_type(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto run = [task, maps](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      int64_t taps = 0, written = 0;
      for (int64_t map = 0; map < maps; ++map) {
        taps += pool_map(task, map, reinterpret_cast<const T*>(at[0]), reinterpret_cast<T*>(at[1]),
                         reinterpret_cast<int64_t*>(at[2]));
        written += task.shape.outputs();
      }
      if (!tally) return;
      tally->bytes_loaded += taps * int64_t{sizeof(T)};
      tally->bytes_stored += written * (int64_t{sizeof(T)} + (at[2] ? int64_t{sizeof(int64_t)} : 0));
    };
    const int64_t read = maps * task.shape.inside_taps() * int64_t{sizeof(T)};
    const int64_t stored = outputs * (int64_t{sizeof(T)} + (indices >= 0 ? int64_t{sizeof(int64_t)} : 0));
    const double taps = static_cast<double>(outputs) * static_cast<double>(task.shape.window());
    add_host_step(preparation, {preparation.input(0).buffer, preparation.output(Pool::kY).buffer, indices},
                  x.constant ? host_planned(0, read, stored) : host_planned(read, 0, stored),
                  kHostCyclesPerElement * taps, run);
  });
}

}  // namespace tally
