// Stages of an Einsum by plain loops.
#include "tally/layers/einsum_methods.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"

namespace tally {

namespace {

/// A place in nested loops, the last one fastest.
class LoopPlace {
 public:
  LoopPlace(const EinsumLoop* loops, size_t depth, int64_t first) : loops_(loops), depth_(depth) {
    for (size_t d = depth; d-- > 0; first /= loops[d].size) {
      at_[d] = first % loops[d].size;
      move(d, at_[d]);
    }
  }
  void next() {
    for (size_t d = depth_; d-- > 0;) {
      move(d, 1);
      if (++at_[d] < loops_[d].size) return;
      move(d, -at_[d]);
      at_[d] = 0;
    }
  }
  int64_t a = 0, b = 0, y = 0;

 private:
  void move(size_t d, int64_t steps) {
    a += steps * loops_[d].a;
    b += steps * loops_[d].b;
    y += steps * loops_[d].y;
  }

  const EinsumLoop* loops_;
  size_t depth_;
  int64_t at_[kMaxEinsumLabels];
};

/// Σ over the inner loops of term(offset in a, offset in b).
template <class Sum, class Term>
Sum sum_terms(const EinsumLoops& loops, const LoopPlace& outer, Term term) {
  if (loops.inner.empty()) return term(outer.a, outer.b);
  if (loops.terms == 0) return 0;
  const EinsumLoop& row = loops.inner.back();
  Sum sum = 0;
  LoopPlace place(loops.inner.data(), loops.inner.size() - 1, 0);
  for (int64_t done = 0; done < loops.terms; done += row.size, place.next())
    for (int64_t i = 0; i < row.size; ++i) sum += term(outer.a + place.a + i * row.a, outer.b + place.b + i * row.b);
  return sum;
}

/// y = Σ a.
template <class A, class Y>
struct Reduction {
  using Factor = A;
  using Result = Y;
  static void run(const EinsumLoops& loops, const A* a, const A*, Y* y, int64_t begin, int64_t end) {
    LoopPlace outer(loops.outer.data(), loops.outer.size(), begin);
    for (int64_t o = begin; o < end; ++o, outer.next())
      y[outer.y] = from_sum<Y>(
          sum_terms<SumOf<A>>(loops, outer, [a](int64_t i, int64_t) { return static_cast<SumOf<A>>(to_sum(a[i])); }));
  }
};

/// y = Σ a·b.
template <class W>
struct Product {
  using Factor = W;
  using Result = W;
  static void run(const EinsumLoops& loops, const W* a, const W* b, W* y, int64_t begin, int64_t end) {
    LoopPlace outer(loops.outer.data(), loops.outer.size(), begin);
    for (int64_t o = begin; o < end; ++o, outer.next())
      y[outer.y] = from_sum<W>(sum_terms<SumOf<W>>(loops, outer, [a, b](int64_t i, int64_t j) {
        return static_cast<SumOf<W>>(to_sum(a[i])) * static_cast<SumOf<W>>(to_sum(b[j]));
      }));
  }
};

template <class Kind>
void add_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers, Preparation& p) {
  using A = typename Kind::Factor;
  using Y = typename Kind::Result;
  const EinsumLoops loops = einsum_loops(task.shape, stage);
  if (loops.outputs == 0) return;
  const int64_t factors = stage.product() ? 2 : 1, terms = loops.terms;
  const auto run = [loops, factors](const std::vector<std::byte*>& at, int64_t begin, int64_t end,
                                    Tally* tally) noexcept {
    Kind::run(loops, reinterpret_cast<const A*>(at[0]), reinterpret_cast<const A*>(at[1]), reinterpret_cast<Y*>(at[2]),
              begin, end);
    if (!tally) return;
    const int64_t read = (end - begin) * loops.terms;
    if (factors == 2) tally->macs += read;
    tally->bytes_loaded += factors * read * int64_t{sizeof(A)};
    tally->bytes_stored += (end - begin) * int64_t{sizeof(Y)};
  };
  Planned planned;
  const int64_t read = loops.outputs * terms * int64_t{sizeof(A)}, stored = loops.outputs * int64_t{sizeof(Y)};
  for (const int value : {stage.a, stage.b}) {
    if (value < 0) continue;
    const bool constant = task.is_operand(value) && task.in[static_cast<size_t>(value)].constant != nullptr;
    (!task.is_operand(value) ? planned.loaded_scratch
     : constant              ? planned.loaded_weights
                             : planned.loaded_activations) += read;
    planned.tally.bytes_loaded += read;
  }
  (task.is_result(stage.y) ? planned.stored_outputs : planned.stored_scratch) = stored;
  planned.tally.bytes_stored = stored;
  if (stage.product()) planned.tally.macs = loops.outputs * terms;
  add_host_step(p, {buffers.of(stage.a), stage.product() ? buffers.of(stage.b) : -1, buffers.of(stage.y)}, planned,
                host_stage_cycles(task, stage), run, loops.outputs);
}

/// What lies between stages: float for float, else what sums are formed in.
template <class T>
using Between = std::conditional_t<std::is_same_v<T, float>, float, SumOf<T>>;

}  // namespace

int64_t EinsumTask::elements(const LabelledAxes& axes) const {
  Shape extents;
  for (int label : axes.labels) extents.push_back(shape.extents[static_cast<size_t>(label)]);
  return element_count(extents, who);
}

EinsumBuffers::EinsumBuffers(const EinsumTask& task, Preparation& preparation)
    : operands_(static_cast<int>(task.in.size())), preparation_(preparation) {
  const int64_t bytes = task.in[0].dtype == DType::f32 ? sizeof(float) : sizeof(double);
  for (const EinsumStage& stage : task.stages)
    made_.push_back(task.is_result(stage.y) ? preparation.output(0).buffer
                                            : preparation.add_scratch(bytes * task.elements(stage.y_axes)));
}

BufferId EinsumBuffers::of(int value) const {
  return value < operands_ ? preparation_.input(value).buffer : made_[static_cast<size_t>(value - operands_)];
}

double host_stage_cycles(const EinsumTask& task, const EinsumStage& stage) {
  /// A term by way of double, and finding an element's place, measured nowhere: orders of magnitude.
  constexpr double kCyclesPerTerm = 4;
  return kCyclesPerTerm * static_cast<double>(einsum_work(task.shape, stage, task.who)) +
         kHostCyclesPerElement * static_cast<double>(task.elements(stage.y_axes));
}

void add_host_stage(const EinsumTask& task, const EinsumStage& stage, const EinsumBuffers& buffers,
                    Preparation& preparation) {
  with_number_type(task.in[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using W = Between<T>;
    if (stage.product()) return add_stage<Product<W>>(task, stage, buffers, preparation);
    if (task.is_operand(stage.a) && task.is_result(stage.y))
      return add_stage<Reduction<T, T>>(task, stage, buffers, preparation);
    if (task.is_operand(stage.a)) return add_stage<Reduction<T, W>>(task, stage, buffers, preparation);
    add_stage<Reduction<W, T>>(task, stage, buffers, preparation);
  });
}

}  // namespace tally
