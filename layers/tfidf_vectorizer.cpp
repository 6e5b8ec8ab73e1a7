// TfIdfVectorizer: how often the n-grams of a pool occur in a row of integers, X [C] or [N, C] to Y [J] or [N, J] in
// float32. ONNX TfIdfVectorizer, opset 9 to 24.
//   count[j] = Σ over n-grams g of the pool counted at j of #{(i, d): X[i], X[i + d], …, X[i + (n−1)·d] = g},
//   d = 1 … max_skip_count + 1, but d = 1 alone for n = 1;
//   TF: Y[j] = count[j]; IDF: Y[j] = w[j] where count[j] > 0, else 0; TFIDF: Y[j] = count[j]·w[j].
// w[j] belongs to coordinate j of Y: so the reference implementation of ONNX reads weights and exporters write them.
// The operator's text has them in the pool's order, which is the same where ngram_indexes counts up.
#include <algorithm>
#include <bit>

#include "tally/layers/formula.h"
#include "tally/layers/host_layer.h"
#include "tally/layers/stream_axes.h"
#include "tally/layers/tfidf_attributes.h"

namespace tally {

namespace {

/// Of a row of X: squares of it stay far from overflow.
constexpr int64_t kMostElements = int64_t{1} << 30;

/// Of the search of n-grams of one length: where they lie in the table, an array of int64.
struct Level {
  int64_t n, count;
  int64_t grams, coordinates;  ///< [count, n] in lexicographic order, [count]

  /// Comparisons with an n-gram of the pool that a search makes: ⌈log2 count⌉ to find the last that is not greater,
  /// and whether it is equal.
  int64_t probes() const { return std::bit_width(static_cast<uint64_t>(count - 1)) + 1; }
};

/// n-grams of a row: Σ over d = 1 … D of C − (n−1)·d, D the largest distance at which there is one.
int64_t grams_of_row(int64_t C, int64_t n, int64_t max_distance) {
  if (n > C) return 0;
  if (n == 1) return C;
  const int64_t D = std::min(max_distance, (C - 1) / (n - 1));
  return D * C - (n - 1) * D * (D + 1) / 2;
}

/// What looking at a row, or at several, takes.
struct Effort {
  int64_t grams = 0;     ///< n-grams looked up
  int64_t compared = 0;  ///< pairs of elements compared
};

/// Order of the n-gram whose elements lie `distance` apart in X and one of the pool: < 0, 0 or > 0. Both are read to
/// their ends, so that the work does not depend on the data.
template <class T>
int order(const T* x, int64_t distance, const int64_t* gram, int64_t n) {
  int first = 0;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t a = x[k * distance], b = gram[k];
    const int here = (a > b) - (a < b);
    first = first != 0 ? first : here;
  }
  return first;
}

/// Counts the n-grams of a row.
template <class T>
void count_row(std::span<const Level> levels, const T* x, int64_t C, int64_t max_distance, const int64_t* table,
               int64_t* counts, Effort& done) {
  for (const Level& level : levels) {
    const int64_t n = level.n, distances = n == 1 ? 1 : max_distance;
    for (int64_t d = 1; d <= distances && (n - 1) * d < C; ++d)
      for (int64_t i = 0; i < C - (n - 1) * d; ++i, ++done.grams) {
        const int64_t* grams = table + level.grams;
        int64_t at = 0, left = level.count;
        for (; left > 1; left -= left / 2, done.compared += n)
          if (order(x + i, d, grams + (at + left / 2) * n, n) >= 0) at += left / 2;
        const bool found = order(x + i, d, grams + at * n, n) == 0;
        done.compared += n;
        counts[table[level.coordinates + at]] += found;
      }
  }
}

float weighted(int64_t count, float weight, TfIdfMode mode) {
  if (mode == TfIdfMode::idf) return count == 0 ? 0 : weight;
  return static_cast<float>(count) * weight;
}

/// X: int32 or int64, C at most 2^30. Every row is counted in scratch, in int64, and then weighted.
class TfIdfVectorizer final : public HostLayer {
 public:
  explicit TfIdfVectorizer(const Node& node) : HostLayer(node), a_(read_tfidf_attributes(node)) {
    for (const GramLevel& level : a_.levels) {
      const int64_t at = levels_.empty() ? 0 : levels_.back().coordinates + levels_.back().count;
      levels_.push_back({level.n, level.count(), at, at + level.n * level.count()});
    }
  }

  Role role(int, Operands) const override { return Role::activation; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    const Shape& x = in[0].shape;
    if (in[0].dtype != DType::i32 && in[0].dtype != DType::i64)
      fail(label(), text("X of type ", name_of(in[0].dtype)), "must be int32 or int64");
    if (x.empty() || x.size() > 2) fail(label(), text("X of shape ", to_string(x)), "must have rank 1 or 2");
    if (x.back() > kMostElements)
      fail(label(), text("C=", x.back()), text("must be at most ", kMostElements), ErrorCode::limit);
    Shape y = x;
    y.back() = a_.outputs;
    element_count(y, label());
    return {{DType::f32, y}};
  }

  // Each n-gram of X is looked up among the pool's of its length and counted; then every count is cut to 1 (IDF) and
  // multiplied by its weight, where there are weights.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const Effort row = effort_of_row(in);
    const Factor N{"N", rows(in)};
    Factor compared{"(Σ_n G·n·(⌈log2 P⌉+1))", row.compared}, added{"(Σ_n G)", row.grams};
    if (a_.mode == TfIdfMode::idf) compared = {"(Σ_n G·n·(⌈log2 P⌉+1)+J)", row.compared + a_.outputs};
    if (!a_.weights.empty()) added = {"(Σ_n G+J)", row.grams + a_.outputs};
    Cost cost;
    cost.coverage = Coverage::approximate;
    cost.reason = "ONNX leaves the search of the pool open: counted as binary search";
    cost.source = "ONNX TfIdfVectorizer, opset 9 to 24; G n-grams of length n in a row, P of the pool, J elements of Y";
    cost.formulas = {product(label(), "comparisons", {N, compared}), product(label(), "elementwise", {N, added})};
    cost.comparisons = cost.formulas[0].value;
    cost.elementwise = cost.formulas[1].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_through(in, time_axes, 1, [&](int axis) { return in[0].shape.size() == 2 && axis == 0 ? 0 : -1; });
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    const double pairs = static_cast<double>(effort_of_row(in).compared) * static_cast<double>(rows(in));
    return {uniform_candidate("host", 1, 1, Layout::plain, Layout::plain,
                              pairs + kHostCyclesPerElement * static_cast<double>(element_count(out[0].shape)))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    if (p.inputs()[0].dtype == DType::i32)
      add_step<int32_t>(candidate.cycles, p);
    else
      add_step<int64_t>(candidate.cycles, p);
  }

 private:
  static int64_t rows(Operands in) { return in[0].shape.size() == 2 ? in[0].shape[0] : 1; }

  /// Elements of a row lie at most so far apart; beyond C there are no n-grams.
  int64_t max_distance() const { return std::min(a_.max_skips, kMostElements) + 1; }

  /// Throws Error(limit) where bytes of all rows might not fit 63 bits.
  Effort effort_of_row(Operands in) const {
    constexpr int64_t kMost = int64_t{1} << 56;
    const int64_t C = in[0].shape.back(), most = kMost / std::max<int64_t>(1, rows(in));
    Effort row;
    for (const Level& level : levels_) {
      const int64_t grams = grams_of_row(C, level.n, max_distance());
      if (grams == 0) continue;
      const std::optional<int64_t> compared = checked_multiply(grams, level.n * level.probes());
      if (!compared || *compared > most - row.compared)
        fail(label(), text("comparisons of ", grams, " ", level.n, "-grams a row"), text("must be at most ", most),
             ErrorCode::limit);
      row.grams += grams;
      row.compared += *compared;
    }
    return row;
  }

  /// The n-grams of all lengths, each length followed by its coordinates.
  AlignedBuffer table() const {
    AlignedBuffer bytes(
        levels_.empty() ? 8 : (levels_.back().coordinates + levels_.back().count) * int64_t{sizeof(int64_t)});
    auto* to = bytes.as<int64_t>();
    for (const GramLevel& level : a_.levels) {
      to = std::copy(level.grams.begin(), level.grams.end(), to);
      to = std::copy(level.coordinates.begin(), level.coordinates.end(), to);
    }
    return bytes;
  }

  template <class T>
  Planned planned(Preparation& p) const {
    constexpr int64_t kInt = sizeof(int64_t), kFloat = sizeof(float);
    const int64_t N = rows(p.inputs()), J = a_.outputs;
    const Effort row = effort_of_row(p.inputs());
    Planned planned = host_planned(p, {{0, N * row.compared * int64_t{sizeof(T)}}}, N * J * kFloat);
    const int64_t table = N * (row.compared + row.grams) * kInt;
    const int64_t weights = a_.weights.empty() ? 0 : N * J * kFloat;
    planned.loaded_weights += table + weights;
    planned.loaded_scratch = planned.stored_scratch = N * (row.grams + J) * kInt;
    planned.tally.bytes_loaded += table + weights + planned.loaded_scratch;
    planned.tally.bytes_stored += planned.stored_scratch;
    return planned;
  }

  template <class T>
  void add_step(double cycles, Preparation& p) const {
    const int64_t N = rows(p.inputs()), C = p.inputs()[0].shape.back(), J = a_.outputs;
    if (N == 0) return;
    const auto run = [levels = levels_, mode = a_.mode, max_distance = max_distance(), N, C, J](
                         const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const auto* weights = reinterpret_cast<const float*>(at[2]);
      auto* counts = reinterpret_cast<int64_t*>(at[3]);
      Effort done;
      int64_t zeroed = 0, written = 0;
      for (int64_t r = 0; r < N; ++r) {
        for (int64_t j = 0; j < J; ++j, ++zeroed) counts[j] = 0;
        count_row(levels, reinterpret_cast<const T*>(at[0]) + r * C, C, max_distance,
                  reinterpret_cast<const int64_t*>(at[1]), counts, done);
        auto* y = reinterpret_cast<float*>(at[4]) + r * J;
        for (int64_t j = 0; j < J; ++j, ++written)
          y[j] = weighted(counts[j], weights == nullptr ? 1 : weights[j], mode);
      }
      if (!tally) return;
      tally->bytes_loaded += done.compared * int64_t{sizeof(T) + sizeof(int64_t)} +
                             done.grams * int64_t{2 * sizeof(int64_t)} + written * int64_t{sizeof(int64_t)} +
                             (weights == nullptr ? 0 : written * int64_t{sizeof(float)});
      tally->bytes_stored += (zeroed + done.grams) * int64_t{sizeof(int64_t)} + written * int64_t{sizeof(float)};
    };
    const BufferId pool = p.add_weights(table(), label() + " pool");
    const BufferId weights = a_.weights.empty() ? -1 : add_float_weights(p, a_.weights, label() + " weights");
    add_host_step(p,
                  {p.input(0).buffer, pool, weights, p.add_scratch(J * int64_t{sizeof(int64_t)}), p.output(0).buffer},
                  planned<T>(p), cycles, run);
  }

  TfIdfAttributes a_;
  std::vector<Level> levels_;
};

}  // namespace

std::unique_ptr<Layer> make_tfidf_vectorizer(const Node& node) { return std::make_unique<TfIdfVectorizer>(node); }

}  // namespace tally
