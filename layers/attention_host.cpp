// Attention in plain loops, a row of scores at a time: every element type, every output; sums in double.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "tally/layers/attention_methods.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/platforms/kernels/planned_attention.h"

namespace tally {

namespace {

/// Reads element i of an operand whose type is known at planning.
using Read = double (*)(const std::byte*, int64_t) noexcept;

Read reader_of(DType type) {
  if (type == DType::boolean)
    return [](const std::byte* p, int64_t i) noexcept { return p[i] != std::byte{0} ? 0.0 : -INFINITY; };
  Read read = nullptr;
  with_number_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    read = [](const std::byte* p, int64_t i) noexcept {
      return static_cast<double>(to_sum(reinterpret_cast<const T*>(p)[i]));
    };
  });
  return read;
}

using Write = void (*)(std::byte*, int64_t, double) noexcept;

Write writer_of(DType type) {
  Write write = nullptr;
  with_number_type(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>)
      write = [](std::byte* p, int64_t i, double x) noexcept { reinterpret_cast<T*>(p)[i] = from_sum<T>(x); };
  });
  return write;
}

/// One row of scores and sums, kept with the step: a run allocates nothing.
struct HostAttention {
  AttentionSpec spec;
  AttentionExtents x;
  double scale = 1;
  AttentionArgs at;                ///< strides
  std::array<int64_t, 3> first{};  ///< elements of Q, K and V before the first that is read
  AttentionTask::MaskStrides mask;
  bool masked = false, counted = false;
  Read read_q = nullptr, read_v = nullptr, read_mask = nullptr;
  Write write_y = nullptr, write_qk = nullptr;
  int64_t q_bytes = 0, v_bytes = 0, mask_bytes = 0;  ///< of an element

  double capped(double score) const noexcept {
    return spec.softcap > 0 ? spec.softcap * std::tanh(score / spec.softcap) : score;
  }

  /// operands: q k v mask counts y qk row
  void operator()(const std::vector<std::byte*>& p, int64_t, int64_t, Tally* tally) const noexcept {
    Tally done;
    for (int64_t b = 0; b < x.B; ++b)
      for (int64_t h = 0; h < x.H; ++h)
        for (int64_t i = 0; i < x.N; ++i) row(p, b, h, i, done);
    if (tally) *tally += done;
  }

  void row(const std::vector<std::byte*>& p, int64_t b, int64_t h, int64_t i, Tally& done) const noexcept {
    const int64_t seen = make_scores(p, b, h, i, done);
    make_weights(p, ((b * x.H + h) * x.N + i) * x.M, done);
    const int64_t values = add_values(p, b, h, i, done);
    done.macs += seen * (x.d + values);
  }

  /// score[j] of every key. Returns the keys that the query is not known beforehand not to see.
  int64_t make_scores(const std::vector<std::byte*>& p, int64_t b, int64_t h, int64_t i, Tally& done) const noexcept {
    auto* score = reinterpret_cast<double*>(p[7]);
    const int64_t g = h / (x.H / x.G), out = ((b * x.H + h) * x.N + i) * x.M;
    const int64_t keys = counted ? reinterpret_cast<const int64_t*>(p[4])[b] : x.M;
    const int64_t offset = x.P > 0 || !counted ? x.P : keys - x.N;
    const int64_t q = first[0] + b * at.q_batch + h * at.q_head + i * at.q_row;
    int64_t j = 0, products = 0, unseen = 0, masks = 0;
    for (; j < x.M; ++j) {
      const int64_t k = first[1] + b * at.k_batch + g * at.k_head + j * at.k_row;
      double s = 0;
      int64_t c = 0;
      for (; c < x.d; ++c) s += read_q(p[0], q + c) * read_q(p[1], k + c);
      products += c;
      s *= scale;
      put_score(p, 0, out + j, s, done);
      s = capped(s);
      put_score(p, 1, out + j, s, done);
      if (masked && j < mask.columns) {
        s += read_mask(p[3], b * mask.batch + h * mask.head + i * mask.row + j * mask.key);
        ++masks;
      } else if (masked) {
        s = -INFINITY;
      }
      const bool later = spec.causal && j - i > offset;
      if (j >= keys || later) s = -INFINITY;
      unseen += later && !counted;
      put_score(p, 2, out + j, s, done);
      score[j] = s;
    }
    done.bytes_loaded += 2 * products * q_bytes + masks * mask_bytes + (counted ? 8 : 0);
    return j - unseen;
  }

  /// Output 3 is what comes after stage `mode`.
  void put_score(const std::vector<std::byte*>& p, int mode, int64_t at, double value, Tally& done) const noexcept {
    if (!write_qk || spec.qk_mode != mode) return;
    write_qk(p[6], at, value);
    done.bytes_stored += q_bytes;
  }

  /// The softmax of the row of scores, which begins at element `out` of output 3.
  void make_weights(const std::vector<std::byte*>& p, int64_t out, Tally& done) const noexcept {
    auto* score = reinterpret_cast<double*>(p[7]);
    double largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < x.M; ++j) largest = std::max(largest, score[j]);
    for (int64_t j = 0; j < x.M; ++j) sum += score[j] = std::exp(score[j] - largest);
    for (int64_t j = 0; j < x.M; ++j) {
      score[j] /= sum;
      put_score(p, 3, out + j, score[j], done);
    }
  }

  /// Returns the elements of the sum of values.
  int64_t add_values(const std::vector<std::byte*>& p, int64_t b, int64_t h, int64_t i, Tally& done) const noexcept {
    const auto* score = reinterpret_cast<const double*>(p[7]);
    const int64_t g = h / (x.H / x.G), y = b * at.y_batch + h * at.y_head + i * at.y_row;
    int64_t c = 0, products = 0;
    for (; c < x.e; ++c) {
      double value = 0;
      int64_t j = 0;
      for (; j < x.M; ++j)
        value += score[j] * read_v(p[2], first[2] + b * at.v_batch + g * at.v_head + j * at.v_row + c);
      products += j;
      write_y(p[5], y + c, value);
    }
    done.bytes_loaded += products * v_bytes;
    done.bytes_stored += c * q_bytes;
    return c;
  }
};

}  // namespace

void list_attention_host(const AttentionTask& task, std::vector<Candidate>& list) {
  const AttentionExtents& x = task.x;
  const double products =
      static_cast<double>(x.B * x.H * x.N) * static_cast<double>(x.M) * static_cast<double>(x.d + x.e);
  list.push_back(uniform_candidate("host", task.in.size(), task.out.size(), Layout::plain, Layout::plain,
                                   kHostCyclesPerElement * products));
}

void prepare_attention_host(const AttentionTask& task, const Candidate& candidate, Preparation& p) {
  const AttentionExtents& x = task.x;
  const Rows k = concatenated_rows(task, Attention::kK, Attention::kPastKey, Attention::kPresentKey, p);
  const Rows v = concatenated_rows(task, Attention::kV, Attention::kPastValue, Attention::kPresentValue, p);
  HostAttention run;
  run.spec = task.spec;
  run.x = x;
  if (x.d + x.e == 0 && !task.wants(Attention::kQk)) run.x.N = 0;  // any number of queries takes no room
  run.scale = task.scale;
  run.at = kernel_arguments(task, k, v);
  run.first = {task.spec.q.column, k.view.column, v.view.column};
  run.masked = task.has(Attention::kMask);
  run.counted = task.has(Attention::kSeqLen);
  if (run.masked) {
    run.mask = task.mask_strides();
    run.read_mask = reader_of(task.in[Attention::kMask].dtype);
  }
  run.read_q = reader_of(task.in[Attention::kQ].dtype);
  run.read_v = reader_of(task.in[Attention::kV].dtype);
  run.write_y = writer_of(task.in[Attention::kQ].dtype);
  if (task.wants(Attention::kQk)) run.write_qk = run.write_y;

  const auto bytes_of_input = [&](int i) { return int64_t{bits_of(task.in[static_cast<size_t>(i)].dtype)} / 8; };
  const int64_t q_bytes = run.q_bytes = bytes_of_input(Attention::kQ);
  const int64_t v_bytes = run.v_bytes = bytes_of_input(Attention::kV);
  if (run.masked) run.mask_bytes = bytes_of_input(Attention::kMask);
  const int64_t scores = x.B * x.H * run.x.N * x.M;
  Planned planned;
  planned.tally.macs = scores * (x.d + x.e) - (task.spec.causal && !run.counted ? causal_products(run.at) : 0);
  const auto loads = [&](int64_t bytes, bool constant) {
    (constant ? planned.loaded_weights : planned.loaded_activations) += bytes;
    planned.tally.bytes_loaded += bytes;
  };
  loads(scores * x.d * q_bytes, task.in[Attention::kQ].constant != nullptr);
  loads(scores * x.d * q_bytes, k.constant);
  loads(scores * x.e * v_bytes, v.constant);
  if (run.masked) {
    const int64_t columns = std::min(run.mask.columns, x.M);
    loads(x.B * x.H * run.x.N * columns * run.mask_bytes, task.in[Attention::kMask].constant != nullptr);
  }
  if (run.counted) loads(8 * x.B * x.H * run.x.N, task.in[Attention::kSeqLen].constant != nullptr);
  planned.stored_outputs = planned.tally.bytes_stored =
      x.B * x.H * x.N * x.e * q_bytes + (run.write_qk ? scores * q_bytes : 0);

  const auto id = [&](bool there, int input) { return there ? p.input(input).buffer : -1; };
  const BufferId row = p.add_scratch(8 * x.M);
  add_host_step(p,
                {p.input(Attention::kQ).buffer, k.buffer, v.buffer, id(run.masked, Attention::kMask),
                 id(run.counted, Attention::kSeqLen), p.output(Attention::kY).buffer,
                 task.wants(Attention::kQk) ? p.output(Attention::kQk).buffer : -1, row},
                planned, candidate.cycles, run);
}

}  // namespace tally
