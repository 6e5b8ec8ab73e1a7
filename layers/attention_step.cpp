#include "tally/layers/attention_step.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "tally/layers/attention_methods.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_attention.h"

namespace tally {

namespace {

/// Copies the row of every head of one step into the cache: cache[b, g, row, :] = rows[b, g, 0, :].
class CacheRow final : public Step {
 public:
  int64_t batches = 0, heads = 0, width = 0, capacity = 0;
  int64_t first = 0;    ///< element of the source where head 0 begins
  HeadStrides strides;  ///< of the source
  BufferId source = -1, cache = -1;

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<Bound>();
    bound->step = this;
    bound->from = reinterpret_cast<const float*>(buffers.address[static_cast<size_t>(source)]);
    bound->to = reinterpret_cast<float*>(buffers.address[static_cast<size_t>(cache)]);
    return bound;
  }
  std::vector<BufferId> buffers() const override { return {source, cache}; }

 private:
  struct Bound : BoundStep {
    const CacheRow* step = nullptr;
    const float* from = nullptr;
    float* to = nullptr;
    void run(const RunEnv& env, int64_t, int64_t) const noexcept override {
      const int64_t row = std::min(env.position, step->capacity - 1);
      for (int64_t i = 0; i < step->batches * step->heads; ++i)
        std::memcpy(to + (i * step->capacity + row) * step->width,
                    from + step->first + i / step->heads * step->strides.batch + i % step->heads * step->strides.head,
                    static_cast<size_t>(step->width) * sizeof(float));
      if (!env.tally) return;
      const int64_t bytes = 4 * step->batches * step->heads * step->width;
      env.tally->bytes_loaded += bytes;
      env.tally->bytes_stored += bytes;
    }
  };
};

/// The attention of one query over the rows that the cache holds so far.
class CachedAttention final : public Step {
 public:
  AttentionArgs args;  ///< keys: the cache's capacity
  BufferId q = -1, k = -1, v = -1, mask = -1, y = -1;
  int64_t first_query = 0;  ///< element of Q where head 0 begins

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<Bound>();
    const auto at = [&](BufferId id) {
      return id < 0 ? nullptr : reinterpret_cast<float*>(buffers.address[static_cast<size_t>(id)]);
    };
    bound->args = args;
    bound->args.q = at(q) + first_query;
    bound->args.k = at(k);
    bound->args.v = at(v);
    bound->args.mask = at(mask);
    bound->args.y = at(y);
    return bound;
  }
  std::vector<BufferId> buffers() const override {
    std::vector<BufferId> ids = {q, k, v, y};
    if (mask >= 0) ids.push_back(mask);
    return ids;
  }

 private:
  struct Bound : BoundStep {
    AttentionArgs args;
    void run(const RunEnv& env, int64_t begin, int64_t end) const noexcept override {
      AttentionArgs now = args;
      now.keys = std::min(args.keys, env.position + 1);
      env.kernels->attention(now, begin, end, env.tally);
    }
    bool trace(const KernelTable& kernels, int64_t begin, int64_t end, AccessSink& sink) const override {
      tally::trace(args, kernels.geometry, begin, end, sink);
      return true;
    }
  };
};

/// One step of a causal Attention over at most `capacity` time steps. Operands hold one row each; a mask, if any, one
/// row of `capacity` columns.
class AttentionStep final : public Attention {
 public:
  AttentionStep(const Attention& whole, AttentionSpec spec, int64_t capacity, std::string name)
      : Attention(named(whole), std::move(spec)), capacity_(capacity), name_(std::move(name)) {}

  std::vector<TensorType> infer(Operands in) const override { return Attention::infer(without_mask(in)); }

  // As the last step has it, which sees all the cache; the keys that earlier ones do not see are macs_masked, here
  // those of the first.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    Cost cost = Attention::cost(without_mask(in), out);
    const AttentionExtents x = extents(in);
    cost.macs = cost.macs_nopad = cost.macs * capacity_;
    cost.macs_masked = x.B * x.H * (capacity_ - 1) * (x.d + x.e);
    cost.comparisons = x.B * x.H * (capacity_ - 1);
    cost.elementwise = x.B * x.H * ((spec_.softcap > 0 ? 6 : 4) * capacity_ - 1 + 2 * x.d);
    cost.special *= capacity_;
    cost.formulas.clear();
    cost.formulas.push_back({"macs", "B·H·T·(d+e), at the last of T steps", "", cost.macs});
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override {
    const Geometry& g = context.kernels->geometry;
    for (size_t k = 1; k < out.size(); ++k)
      if (out[k].dtype != DType::undefined)
        fail(label(), text("output ", k), "must not be wanted of a single time step");
    return {uniform_candidate("attention_step", in.size(), out.size(), Layout::plain, Layout::plain,
                              planned_cycles(g, planned_attention(arguments(in, capacity_, g), g), kStepCycles))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const AttentionExtents x = extents(p.inputs());
    const BufferId k = add_cache(p, kK, x, x.d, "keys"), v = add_cache(p, kV, x, x.e, "values");
    auto step = std::make_unique<CachedAttention>();
    step->args = arguments(p.inputs(), capacity_, p.geometry());
    step->q = p.input(kQ).buffer;
    step->first_query = spec_.q.column;
    step->k = k;
    step->v = v;
    step->y = p.output(kY).buffer;
    if (has_operand(p.inputs(), kMask)) step->mask = p.input(kMask).buffer;
    step->items = step->args.items();
    step->cycles = candidate.cycles;
    AttentionLoads loads;
    // What step 0 does: one key. Step t has t + 1.
    step->planned = planned_attention(arguments(p.inputs(), 1, p.geometry()), p.geometry(), &loads);
    step->planned.loaded_state = loads.k + loads.v;
    step->planned.loaded_activations -= loads.k + loads.v;
    if (step->mask >= 0 && p.inputs()[kMask].constant) {
      step->planned.loaded_activations -= loads.mask;
      step->planned.loaded_weights += loads.mask;
    }
    p.add_step(std::move(step));
  }

 private:
  static Node named(const Attention& whole) {
    Node node;
    node.op = "Attention";
    node.name = whole.label();
    return node;
  }
  /// The base's rules know masks of as many columns as there are keys.
  static Operands without_mask(Operands in) { return in.first(3); }

  AttentionArgs arguments(Operands in, int64_t keys, const Geometry& g) const {
    const AttentionExtents x = extents(in);
    const AttentionTask task{spec_, x, scale(x), in, {}, label()};
    AttentionArgs args = kernel_arguments(task, Rows{}, Rows{});
    args.causal = false;  // what is cached is the past
    args.keys = keys;
    args.k_row = x.d;
    args.k_head = capacity_ * x.d;
    args.k_batch = x.G * args.k_head;
    args.v_row = x.e;
    args.v_head = capacity_ * x.e;
    args.v_batch = x.G * args.v_head;
    if (has_operand(in, kMask)) {
      AttentionTask masked = task;
      masked.x.M = capacity_;
      const AttentionTask::MaskStrides strides = masked.mask_strides();
      args.mask_kind = in[kMask].dtype == DType::boolean ? MaskKind::boolean : MaskKind::additive;
      args.mask_batch = strides.batch;
      args.mask_head = strides.head;
    }
    plan_attention(args, g);
    return args;
  }

  BufferId add_cache(Preparation& p, int input, const AttentionExtents& x, int64_t width, const char* what) const {
    const int64_t row_bytes = 4 * x.B * x.G * width;
    const auto bytes = checked_multiply(row_bytes, capacity_);
    if (!bytes || *bytes > std::numeric_limits<std::ptrdiff_t>::max())
      fail(label(), "a cache of keys and values", "must fit the address space", ErrorCode::limit);
    auto step = std::make_unique<CacheRow>();
    step->batches = x.B;
    step->heads = x.G;
    step->width = width;
    step->capacity = capacity_;
    const AttentionTask task{spec_, x, 1, p.inputs(), {}, label()};
    const HeadView view = view_of_operand(task, input == kK ? spec_.k : spec_.v);
    step->first = view.column;
    step->strides = head_strides(view, p.inputs()[static_cast<size_t>(input)].shape, {x.B, x.G, int64_t{1}, width});
    step->source = p.input(input).buffer;
    step->cache = p.add_state(static_cast<size_t>(*bytes), name_ + " " + what, {}, static_cast<size_t>(row_bytes));
    const BufferId cache = step->cache;
    step->planned.loaded_activations = step->planned.tally.bytes_loaded = row_bytes;
    step->planned.stored_state = step->planned.tally.bytes_stored = row_bytes;
    p.add_step(std::move(step));
    return cache;
  }

  int64_t capacity_;
  std::string name_;
};

}  // namespace

StreamStep stream_attention(const Attention& whole, Operands in, std::span<const int> time_axes) {
  const AttentionSpec& spec = whole.spec();
  const AttentionExtents x = whole.extents(in);
  const bool flat = in[Attention::kQ].shape.size() == 3 && spec.q.layout == HeadLayout::apart;
  const auto rows_axis = [&](const HeadView& own, int input) {
    return row_axis(flat ? HeadLayout::interleaved : own.layout, in[static_cast<size_t>(input)].shape.size());
  };
  const auto axis = [&](int i) {
    return static_cast<size_t>(i) < time_axes.size() ? time_axes[static_cast<size_t>(i)] : kNoTimeAxis;
  };
  const auto refuse = [](std::string why) { return stream_obstacle(std::move(why)); };

  StreamStep step;
  const size_t y_rank = flat ? 3 : static_cast<size_t>(spec.y_rank);
  step.time_axes = {row_axis(flat ? HeadLayout::interleaved : spec.y, y_rank), kNoTimeAxis, kNoTimeAxis, kNoTimeAxis};
  const bool keys_stay = axis(Attention::kK) == kNoTimeAxis && axis(Attention::kV) == kNoTimeAxis;
  if (y_rank == 2 && x.B > 1) return refuse("merges its time axis with the batch");
  // Said first, whatever axis is tried: it is what the reader of the message must know.
  if (!spec.causal && !keys_stay) return refuse("attends to later time steps (no causal mask)");
  if (axis(Attention::kQ) != rows_axis(spec.q, Attention::kQ)) return refuse("its queries are not the time steps");
  for (int i = Attention::kMask; i <= Attention::kSeqLen; ++i)
    if (has_operand(in, i) && axis(i) != kNoTimeAxis) return refuse("takes a mask or past that changes with time");
  const bool mask_rows = has_operand(in, Attention::kMask) && in[Attention::kMask].shape.size() >= 2 &&
                         in[Attention::kMask].shape[in[Attention::kMask].shape.size() - 2] != 1;
  if (mask_rows && !in[Attention::kMask].constant) return refuse("takes a mask or past that changes with time");
  if (mask_rows) step.tables.push_back({Attention::kMask, static_cast<int>(in[Attention::kMask].shape.size()) - 2});
  if (keys_stay) {  // cross-attention: every query sees the same keys
    if (spec.causal) return refuse("attends to later time steps (no causal mask)");
    return step;
  }
  if (axis(Attention::kK) != rows_axis(spec.k, Attention::kK) ||
      axis(Attention::kV) != rows_axis(spec.v, Attention::kV))
    return refuse("its keys or values are not the time steps");
  if (!spec.causal || x.N != x.M) return refuse("attends to later time steps (no causal mask)");
  if (has_operand(in, Attention::kPastKey) || has_operand(in, Attention::kSeqLen))
    return refuse("keeps its past in operands of its own");
  if (in[Attention::kQ].dtype != DType::f32 || in[Attention::kV].dtype != DType::f32)
    return refuse("runs step by step in float32 only");
  if (has_operand(in, Attention::kMask) && in[Attention::kMask].dtype != DType::f32 &&
      in[Attention::kMask].dtype != DType::boolean)
    return refuse("runs step by step in float32 only");
  if (has_operand(in, Attention::kMask) &&
      (in[Attention::kMask].shape.empty() || in[Attention::kMask].shape.back() != x.M))
    return refuse("takes a mask of another width than its keys");
  AttentionSpec one = spec;
  one.causal = false;
  one.q_heads = x.H;
  one.kv_heads = x.G;
  if (!one.scale) one.scale = whole.scale(x);
  step.stateful = step.bounded = true;
  step.layer = std::make_shared<AttentionStep>(whole, std::move(one), x.N, whole.label());
  return step;
}

}  // namespace tally
