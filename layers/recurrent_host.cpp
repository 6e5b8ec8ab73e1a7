// Recurrent layers by plain loops: every element type and every combination of attributes and operands. An item is one
// sequence in one direction.
#include <limits>

#include "tally/layers/host_step.h"
#include "tally/layers/recurrent_cell.h"
#include "tally/layers/recurrent_methods.h"

namespace tally {

namespace {

/// A product by way of double: an order of magnitude.
constexpr double kCyclesPerMac = 4;

/// What a run needs of the task, without its operands.
struct HostRecurrence {
  RecurrentShape s;
  RecurrentAttributes attributes;
  std::vector<int64_t> lengths;
  bool lengths_fed = false, stateful = false;

  explicit HostRecurrence(const RecurrentTask& task)
      : s(task.shape),
        attributes(task.attributes),
        lengths(task.lengths),
        lengths_fed(task.lengths_fed),
        stateful(task.stateful) {}

  int64_t rows() const { return s.gates() * s.H; }
  /// Intermediate sums of a sequence.
  int64_t sums() const { return rows() + (s.kind == CellKind::gru ? s.H : 0); }
  bool has_c() const { return s.kind == CellKind::lstm; }
};

/// Operands of the step, in the order of its buffers.
enum Slot : size_t {
  kSlotX,
  kSlotW,
  kSlotR,
  kSlotB,
  kSlotLens,
  kSlotH0,
  kSlotC0,
  kSlotP,
  kSlotY,
  kSlotYh,
  kSlotYc,
  kSlotH,
  kSlotC,
  kSlotSums
};

/// One sequence in one direction.
template <class T>
class HostSequence {
 public:
  HostSequence(const HostRecurrence& task, const std::vector<std::byte*>& at, int64_t item)
      : task_(task), s_(task.s), d_(item / s_.B), n_(item % s_.B), lengths_(reinterpret_cast<int32_t*>(at[kSlotLens])) {
    const auto of = [&](Slot slot, int64_t offset) {
      return at[slot] ? reinterpret_cast<T*>(at[slot]) + offset : nullptr;
    };
    const int64_t state = d_ * s_.state_direction() + n_ * s_.state_sequence(), rows = task.rows();
    auto* sums = reinterpret_cast<double*>(at[kSlotSums]) + item * task.sums();
    x_ = of(kSlotX, n_ * s_.x_sequence());
    y_ = of(kSlotY, d_ * s_.y_direction() + n_ * s_.y_sequence());
    h0_ = of(kSlotH0, state);
    c0_ = of(kSlotC0, state);
    y_h_ = of(kSlotYh, state);
    y_c_ = of(kSlotYc, state);
    const auto functions = static_cast<std::ptrdiff_t>(d_ * functions_of(s_.kind));
    cell_ = {
        s_.kind,
        s_.I,
        s_.H,
        task.attributes.activations.data() + functions,
        task.attributes.clip ? static_cast<double>(*task.attributes.clip) : std::numeric_limits<double>::infinity(),
        task.attributes.input_forget,
        task.attributes.linear_before_reset,
        of(kSlotW, d_ * rows * s_.I),
        of(kSlotR, d_ * rows * s_.H),
        of(kSlotB, d_ * 2 * rows),
        of(kSlotP, d_ * 3 * s_.H),
        of(kSlotH, item * s_.H),
        of(kSlotC, item * s_.H),
        sums,
        sums + rows,
        {}};
  }

  CellWork run() {
    if (!task_.stateful) {
      start(cell_.h, h0_);
      if (task_.has_c()) start(cell_.c, c0_);
    }
    const int64_t length = length_of();
    const int64_t steps = task_.lengths_fed ? s_.T : length;
    if (length == 0) finish();
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = task_.attributes.reversed(static_cast<int>(d_)) && i < length ? length - 1 - i : i;
      cell_.step(x_ + t * s_.x_step());
      show(t, i < length);
      if (i + 1 == length) finish();
    }
    for (int64_t t = steps; t < s_.T; ++t) clear(t);
    return cell_.work;
  }

 private:
  int64_t length_of() const {
    if (task_.lengths_fed) return std::clamp<int64_t>(lengths_[n_], 0, s_.T);
    return task_.lengths.empty() ? s_.T : task_.lengths[static_cast<size_t>(n_)];
  }
  void start(T* carried, const T* initial) {
    if (initial) return copy(carried, initial);
    int64_t j = 0;
    for (; j < s_.H; ++j) carried[j] = T{};
    cell_.work.elements_stored += j;
  }
  void copy(T* to, const T* from) {
    if (!to) return;
    int64_t j = 0;
    for (; j < s_.H; ++j) to[j] = from[j];
    cell_.work.elements_loaded += j;
    cell_.work.elements_stored += j;
  }
  /// Y of step t: h, or zero beyond the end, h read all the same.
  void show(int64_t t, bool within) {
    if (!y_) return;
    int64_t j = 0;
    for (; j < s_.H; ++j) {
      const T value = cell_.h[j];
      y_[t * s_.y_step() + j] = within ? value : T{};
    }
    cell_.work.elements_loaded += j;
    cell_.work.elements_stored += j;
  }
  void clear(int64_t t) {
    if (!y_) return;
    int64_t j = 0;
    for (; j < s_.H; ++j) y_[t * s_.y_step() + j] = T{};
    cell_.work.elements_stored += j;
  }
  /// The state after a sequence's last step.
  void finish() {
    copy(y_h_, cell_.h);
    copy(y_c_, cell_.c);
  }

  const HostRecurrence& task_;
  const RecurrentShape& s_;
  int64_t d_, n_;
  const int32_t* lengths_;
  const T *x_ = nullptr, *h0_ = nullptr, *c0_ = nullptr;
  T *y_ = nullptr, *y_h_ = nullptr, *y_c_ = nullptr;
  HostCell<T> cell_{};
};

/// `E`: bytes of an element. h and c are read and written in the context's state, or in scratch.
Planned planned_recurrent_host(const RecurrentTask& task, int64_t E) {
  constexpr int64_t kDouble = sizeof(double);
  const RecurrentShape& s = task.shape;
  const RecurrentAttributes& a = task.attributes;
  const int64_t H = s.H, sequences = s.directions * s.B, runs = s.directions * task.all_steps();
  const bool lstm = s.kind == CellKind::lstm, gru = s.kind == CellKind::gru;
  const int64_t gates = s.gates() - (a.input_forget ? 1 : 0), carried = lstm ? 2 : 1;
  const int64_t peepholes = !task.has(Recurrent::kP) ? 0 : a.input_forget ? 2 : 3;
  // Of GRU's n without linear_before_reset, R meets r⊙h and not h.
  const int64_t from_h = gates - (gru && !a.linear_before_reset ? 1 : 0), from_extra = gates - from_h;
  Planned p;
  p.tally.macs = runs * gates * H * (s.I + H);
  p.loaded_activations = runs * gates * H * s.I * E;
  p.loaded_weights = runs * (gates * H * (s.I + H + (task.has(Recurrent::kB) ? 2 : 0)) + peepholes * H) * E;
  int64_t carried_loads = runs * (from_h * H * H + (lstm ? H : 0) + (gru ? from_extra * H + H : 0));
  int64_t carried_stores = runs * carried * H;
  p.loaded_scratch = runs * (gates * H + from_extra * H * H + (gru && a.linear_before_reset ? H : 0)) * kDouble;
  p.stored_scratch = runs * (gates * H + (gru ? H : 0)) * kDouble;
  if (task.y) {
    carried_loads += runs * H;
    p.stored_outputs += sequences * s.T * H * E;
  }
  for (const bool wanted : {task.y_h, task.y_c}) {
    if (!wanted) continue;
    carried_loads += sequences * H;
    p.stored_outputs += sequences * H * E;
  }
  if (!task.stateful) {
    carried_stores += sequences * carried * H;
    for (int i : {Recurrent::kInitialH, Recurrent::kInitialC})
      if (task.has(i)) p.loaded_state += sequences * H * E;
  }
  if (task.lengths_fed) p.loaded_activations += sequences * int64_t{sizeof(int32_t)};
  (task.stateful ? p.loaded_state : p.loaded_scratch) += carried_loads * E;
  (task.stateful ? p.stored_state : p.stored_scratch) += carried_stores * E;
  const int64_t all_gates = s.gates() * H * (s.I + H);
  p.steps_skipped = (sequences * s.T - runs) * all_gates;
  p.gates_skipped = runs * all_gates - p.tally.macs;
  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights + p.loaded_state + p.loaded_scratch;
  p.tally.bytes_stored = p.stored_outputs + p.stored_state + p.stored_scratch;
  return p;
}

/// h or c of a stream, from its initial value on.
BufferId add_carried(const RecurrentTask& task, int initial, const char* name, int64_t bytes,
                     Preparation& preparation) {
  if (!task.stateful) return preparation.add_scratch(bytes);
  AlignedBuffer first;
  if (const Tensor* value = task.constant(initial)) {
    first = AlignedBuffer(bytes);
    std::memcpy(first.data(), value->data(), first.size());
  }
  return preparation.add_state(static_cast<size_t>(bytes), name, std::move(first));
}

template <class T>
void add_recurrent_step(const RecurrentTask& task, double cycles, Preparation& preparation) {
  const HostRecurrence recurrence(task);
  auto run = [recurrence](const std::vector<std::byte*>& at, int64_t begin, int64_t end, Tally* tally) noexcept {
    for (int64_t item = begin; item < end; ++item) {
      const CellWork work = HostSequence<T>(recurrence, at, item).run();
      if (!tally) continue;
      tally->macs += work.macs;
      tally->bytes_loaded += work.elements_loaded * int64_t{sizeof(T)} + work.doubles_loaded * int64_t{sizeof(double)} +
                             (recurrence.lengths_fed ? int64_t{sizeof(int32_t)} : 0);
      tally->bytes_stored += work.elements_stored * int64_t{sizeof(T)} + work.doubles_stored * int64_t{sizeof(double)};
    }
  };
  std::vector<BufferId> ids;
  for (int i = 0; i <= Recurrent::kP; ++i) {
    const bool initial = i == Recurrent::kInitialH || i == Recurrent::kInitialC;
    const bool read = task.has(i) && (i != Recurrent::kSequenceLens || task.lengths_fed) && !(initial && task.stateful);
    ids.push_back(read ? preparation.input(i).buffer : -1);
  }
  ids.push_back(task.y ? preparation.output(Recurrent::kY).buffer : -1);
  ids.push_back(task.y_h ? preparation.output(Recurrent::kYh).buffer : -1);
  ids.push_back(task.y_c ? preparation.output(Recurrent::kYc).buffer : -1);
  const int64_t sequences = task.shape.directions * task.shape.B;
  const int64_t carried = sequences * task.shape.H * int64_t{sizeof(T)};
  ids.push_back(add_carried(task, Recurrent::kInitialH, "h", carried, preparation));
  ids.push_back(recurrence.has_c() ? add_carried(task, Recurrent::kInitialC, "c", carried, preparation) : -1);
  ids.push_back(preparation.add_scratch(sequences * recurrence.sums() * int64_t{sizeof(double)}));
  add_host_step(preparation, std::move(ids), planned_recurrent_host(task, sizeof(T)), cycles, std::move(run),
                sequences);
}

}  // namespace

void list_recurrent_host(const RecurrentTask& task, const PlanContext&, std::vector<Candidate>& list) {
  if (!list.empty()) return;
  const RecurrentShape& s = task.shape;
  const double runs = static_cast<double>(s.directions) * static_cast<double>(task.all_steps());
  const double macs = static_cast<double>(s.gates()) * static_cast<double>(s.H) * static_cast<double>(s.I + s.H);
  list.push_back(task.candidate("host", kCyclesPerMac * runs * macs));
}

void prepare_recurrent_host(const RecurrentTask& task, const Candidate& candidate, Preparation& preparation) {
  with_number_type(task.in[Recurrent::kX].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) add_recurrent_step<T>(task, candidate.cycles, preparation);
  });
}

}  // namespace tally
