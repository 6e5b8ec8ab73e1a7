// TopK: the k largest (or smallest) elements of every row along one axis, and where they lie; equal ones in order of
// place, NaN as the largest of all.
#include <algorithm>
#include <bit>
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/host_layer.h"
#include "tally/layers/host_number.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr int kX = 0, kK = 1;

/// Rows along the axis: element (o, j, i) at (o·n + j)·inner + i.
struct Rows {
  int64_t outer = 1, n = 0, inner = 1, k = 0;
};

template <class T>
struct Entry {
  T value;
  int64_t index;
};

/// True where a comes before b whatever their places.
template <class T>
bool precedes(T a, T b, bool largest) {
  const auto less = [](T u, T v) {
    if constexpr (std::is_integral_v<T>)
      return u < v;
    else
      return std::isnan(to_sum(v)) ? !std::isnan(to_sum(u)) : to_sum(u) < to_sum(v);
  };
  return largest ? less(b, a) : less(a, b);
}

template <class T>
bool precedes(const Entry<T>& a, const Entry<T>& b, bool largest) {
  if (precedes(a.value, b.value, largest)) return true;
  return !precedes(b.value, a.value, largest) && a.index < b.index;
}

/// Every result by a pass over the row: what comes first behind the one before. Returns the elements read.
template <class T>
int64_t select(const T* x, T* values, int64_t* indices, const Rows& rows, bool largest) {
  Entry<T> last{};
  int64_t read = 0;
  for (int64_t r = 0; r < rows.k; ++r) {
    Entry<T> best{T{}, -1};
    for (int64_t j = 0; j < rows.n; ++j, ++read) {
      const Entry<T> here{x[j * rows.inner], j};
      if ((r == 0 || precedes(last, here, largest)) && (best.index < 0 || precedes(here, best, largest))) best = here;
    }
    values[r * rows.inner] = best.value;
    indices[r * rows.inner] = best.index;
    last = best;
  }
  return read;
}

/// Merges runs of `run` entries of `from` two by two into `to`; every entry is read once and written once.
template <class T>
void merge_runs(const Entry<T>* from, Entry<T>* to, int64_t n, int64_t run, bool largest) {
  for (int64_t begin = 0; begin < n; begin += 2 * run) {
    const int64_t middle = std::min(begin + run, n), end = std::min(begin + 2 * run, n);
    int64_t a = begin, b = middle;
    for (int64_t i = begin; i < end; ++i) {
      const bool first = b == end || (a < middle && !precedes(from[b], from[a], largest));
      to[i] = from[first ? a++ : b++];
    }
  }
}

class TopK final : public Layer {
 public:
  explicit TopK(const Node& node)
      : Layer(node),
        axis_(node.get_int("axis", -1)),
        largest_(node.get_int("largest", 1) != 0),
        from_input_(node.opset >= 10),
        k_(node.get_int("k", 0)) {
    if (!from_input_ && !node.has("k")) fail(label(), "no k", "must have the attribute k");
  }

  bool needs_value(int input) const override { return input == kK; }
  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, from_input_ ? 2 : 1, from_input_ ? 2 : 1);
    if (!with_number_type(in[kX].dtype, [](auto) {}))
      fail(label(), text("input of type ", name_of(in[kX].dtype)), "must be numbers of 8 bits or more");
    if (from_input_ && element_count(in[kK].shape) != 1)
      fail(label(), text("k of shape ", to_string(in[kK].shape)), "must have one element");
    const Rows rows = this->rows(in);
    if (rows.k < 0 || rows.k > rows.n)
      fail(label(), text("k=", rows.k), text("must be 0 to ", rows.n, ", the extent of axis ", axis_));
    Shape y = in[kX].shape;
    y[axis(in)] = rows.k;
    return {{in[kX].dtype, y}, {DType::i64, y}};
  }

  // Selection of the best of n, then of n − 1, …: k·n − k·(k + 1) / 2 comparisons a row, as ArgMax where k = 1.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const Rows rows = this->rows(in);
    const int64_t count = rows.outer * rows.inner;
    Cost cost;
    cost.source = "ONNX TopK, opset 1 to 24: selection, one result after the other";
    // k·n − k·(k + 1)/2 = k·(2n − k − 1)/2, one factor of which is even.
    const bool even = rows.k % 2 == 0;
    const int64_t others = 2 * rows.n - rows.k - 1;
    int64_t comparisons = 0;
    if (rows.n > INT64_MAX / 4 ||
        __builtin_mul_overflow(even ? rows.k / 2 : rows.k, even ? others : others / 2, &comparisons))
      fail(label(), "comparisons", "must fit 63 bits", ErrorCode::limit);
    cost.formulas = {product(label(), "comparisons", {{"rows", count}, {"(k·n−k·(k+1)/2)", comparisons}})};
    cost.comparisons = cost.formulas[0].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[kX];
    if (t < 0 || static_cast<size_t>(t) == axis(in)) return stream_obstacle("ranks time steps");
    return {"", nullptr, {t, t}, {}, {}};
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    const Rows r = rows(in);
    const double rows = static_cast<double>(r.outer * r.inner * r.n);
    return {
        uniform_candidate(selects(r) ? "select" : "merge_sort", in.size(), out.size(), Layout::plain, Layout::plain,
                          kHostCyclesPerElement * rows * std::min<double>(static_cast<double>(r.k), passes(r) + 1.0))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Rows r = rows(p.inputs());
    if (r.outer * r.inner * r.k == 0) return;
    with_number_type(p.inputs()[kX].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      selects(r) ? add_selection<T>(p, r, candidate.cycles) : add_sort<T>(p, r, candidate.cycles);
    });
  }

 private:
  size_t axis(Operands in) const {
    return static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(in[kX].shape.size()), label()));
  }
  Rows rows(Operands in) const {
    const Shape& x = in[kX].shape;
    const auto at = static_cast<std::ptrdiff_t>(axis(in));
    return {element_count(Shape(x.begin(), x.begin() + at)), x[axis(in)],
            element_count(Shape(x.begin() + at + 1, x.end())), from_input_ ? in[kK].constant->to_int64().at(0) : k_};
  }
  static int passes(const Rows& r) { return r.n < 2 ? 0 : std::bit_width(static_cast<uint64_t>(r.n - 1)); }
  /// A pass a result is less work than sorting.
  static bool selects(const Rows& r) { return r.k <= 2 * passes(r) + 2; }

  /// Outputs that are not wanted are written to scratch: both are found together.
  BufferId values_buffer(Preparation& p, int output, int64_t bytes) const {
    const bool wanted = static_cast<size_t>(output) < p.outputs().size() && p.output(output).buffer >= 0;
    return wanted ? p.output(output).buffer : p.add_scratch(bytes);
  }

  /// Stored results: those wanted are outputs, the others scratch.
  template <class T>
  Planned planned(Preparation& p, const Rows& r, int64_t read) const {
    Planned planned = host_planned(p, {{kX, read * int64_t{sizeof(T)}}}, 0);
    const int64_t results = r.outer * r.inner * r.k;
    for (int output : {0, 1}) {
      const bool wanted = static_cast<size_t>(output) < p.outputs().size() && p.output(output).buffer >= 0;
      (wanted ? planned.stored_outputs : planned.stored_scratch) += results * (output == 0 ? int64_t{sizeof(T)} : 8);
    }
    planned.tally.bytes_stored = planned.stored_outputs + planned.stored_scratch;
    return planned;
  }

  template <class T>
  void add_selection(Preparation& p, const Rows& r, double cycles) const {
    const auto run = [r, largest = largest_](const std::vector<std::byte*>& at, int64_t, int64_t,
                                             Tally* tally) noexcept {
      int64_t read = 0, results = 0;
      for (int64_t o = 0; o < r.outer; ++o)
        for (int64_t i = 0; i < r.inner; ++i, results += r.k)
          read += select(reinterpret_cast<const T*>(at[0]) + o * r.n * r.inner + i,
                         reinterpret_cast<T*>(at[1]) + o * r.k * r.inner + i,
                         reinterpret_cast<int64_t*>(at[2]) + o * r.k * r.inner + i, r, largest);
      if (!tally) return;
      tally->bytes_loaded += read * int64_t{sizeof(T)};
      tally->bytes_stored += results * (int64_t{sizeof(T)} + 8);
    };
    const int64_t results = r.outer * r.inner * r.k;
    const BufferId values = values_buffer(p, 0, results * int64_t{sizeof(T)}),
                   indices = values_buffer(p, 1, results * 8);
    add_host_step(p, {p.input(kX).buffer, values, indices}, planned<T>(p, r, results * r.n), cycles, run);
  }

  /// Bottom-up merge sort of (value, place) between two rows of scratch: as many loads and stores whatever the data.
  template <class T>
  void add_sort(Preparation& p, const Rows& r, double cycles) const {
    using E = Entry<T>;
    const auto run = [r, largest = largest_](const std::vector<std::byte*>& at, int64_t, int64_t,
                                             Tally* tally) noexcept {
      int64_t rows = 0, merged = 0;
      for (int64_t o = 0; o < r.outer; ++o)
        for (int64_t i = 0; i < r.inner; ++i, ++rows) {
          const T* x = reinterpret_cast<const T*>(at[0]) + o * r.n * r.inner + i;
          E *from = reinterpret_cast<E*>(at[3]), *to = reinterpret_cast<E*>(at[4]);
          for (int64_t j = 0; j < r.n; ++j) from[j] = {x[j * r.inner], j};
          for (int64_t run_length = 1; run_length < r.n; run_length *= 2, ++merged) {
            merge_runs(from, to, r.n, run_length, largest);
            std::swap(from, to);
          }
          for (int64_t j = 0; j < r.k; ++j) {
            reinterpret_cast<T*>(at[1])[(o * r.k + j) * r.inner + i] = from[j].value;
            reinterpret_cast<int64_t*>(at[2])[(o * r.k + j) * r.inner + i] = from[j].index;
          }
        }
      if (!tally) return;
      tally->bytes_loaded += rows * r.n * int64_t{sizeof(T)} + (merged * r.n + rows * r.k) * int64_t{sizeof(E)};
      tally->bytes_stored += (merged + rows) * r.n * int64_t{sizeof(E)} + rows * r.k * (int64_t{sizeof(T)} + 8);
    };
    const int64_t rows = r.outer * r.inner, results = rows * r.k;
    const BufferId values = values_buffer(p, 0, results * int64_t{sizeof(T)}),
                   indices = values_buffer(p, 1, results * 8);
    const int64_t row_bytes = r.n * int64_t{sizeof(E)};
    const BufferId front = p.add_scratch(row_bytes), back = p.add_scratch(row_bytes);
    Planned all = planned<T>(p, r, rows * r.n);
    const int64_t loads = (rows * passes(r) * r.n + results) * int64_t{sizeof(E)};
    const int64_t stores = rows * (passes(r) + 1) * r.n * int64_t{sizeof(E)};
    all.loaded_scratch += loads;
    all.tally.bytes_loaded += loads;
    all.stored_scratch += stores;
    all.tally.bytes_stored += stores;
    add_host_step(p, {p.input(kX).buffer, values, indices, front, back}, all, cycles, run);
  }

  int64_t axis_;
  bool largest_, from_input_;
  int64_t k_;
};

}  // namespace

std::unique_ptr<Layer> make_top_k(const Node& node) { return std::make_unique<TopK>(node); }

}  // namespace tally
