#include "tally/layers/recurrent.h"

#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/layers/recurrent_methods.h"

namespace tally {

namespace {

struct Method {
  void (*list)(const RecurrentTask&, const PlanContext&, std::vector<Candidate>&);
  void (*prepare)(const RecurrentTask&, const Candidate&, Preparation&);
};

constexpr Method kMethods[] = {
    {list_recurrent_kernel, prepare_recurrent_kernel},
    {list_recurrent_host, prepare_recurrent_host},
};

constexpr const char* kOperandNames[] = {"X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
constexpr int64_t kLargestExtent = int64_t{1} << 40;

const Operand& at(Operands in, int i) { return in[static_cast<size_t>(i)]; }

/// Known lengths, or nothing.
std::optional<std::vector<int64_t>> known_lengths(Operands in) {
  if (!has_operand(in, Recurrent::kSequenceLens)) return {};
  const Tensor* lengths = at(in, Recurrent::kSequenceLens).constant;
  if (lengths == nullptr || !lengths->has_data()) return {};
  return lengths->to_int64();
}

void require_shape(const std::string& who, Operands in, int i, const Shape& wanted, const char* symbols) {
  if (has_operand(in, i) && at(in, i).shape != wanted)
    fail(who, text(kOperandNames[i], " of shape ", to_string(at(in, i).shape)),
         text("must have shape ", to_string(wanted), " (", symbols, ")"));
}

}  // namespace

std::unique_ptr<Layer> make_rnn(const Node& node) { return std::make_unique<Recurrent>(node, CellKind::elman); }
std::unique_ptr<Layer> make_lstm(const Node& node) { return std::make_unique<Recurrent>(node, CellKind::lstm); }
std::unique_ptr<Layer> make_gru(const Node& node) { return std::make_unique<Recurrent>(node, CellKind::gru); }

Recurrent::Recurrent(const Node& node, CellKind kind)
    : Layer(node), kind_(kind), attributes_(read_recurrent(node, kind)) {}

RecurrentShape Recurrent::shape_of(Operands in) const {
  require_inputs(label(), in, 3, kind_ == CellKind::lstm ? 8 : 6);
  const Shape &x = in[kX].shape, &r = in[kR].shape;
  if (x.size() != 3)
    fail(label(), text("X of shape ", to_string(x)),
         text("must have rank 3: ", attributes_.batch_first ? "batch, steps, features" : "steps, batch, features"));
  if (r.size() != 3) fail(label(), text("R of shape ", to_string(r)), "must have rank 3: directions, gates·H, H");
  RecurrentShape s;
  s.kind = kind_;
  s.batch_first = attributes_.batch_first;
  s.T = x[s.batch_first ? 1 : 0];
  s.B = x[s.batch_first ? 0 : 1];
  s.I = x[2];
  s.H = r[2];
  s.directions = attributes_.directions();
  if (s.H < 1 || s.H > kLargestExtent)
    fail(label(), text("R of shape ", to_string(r)), "must have 1 to 2^40 hidden units in dimension 2");
  if (attributes_.hidden_size && *attributes_.hidden_size != s.H)
    fail(label(), text("hidden_size=", *attributes_.hidden_size), text("must equal R's H=", s.H));
  const int64_t D = s.directions, rows = s.gates() * s.H;
  require_shape(label(), in, kR, {D, rows, s.H}, "directions, gates·H, H");
  require_shape(label(), in, kW, {D, rows, s.I}, "directions, gates·H, I");
  require_shape(label(), in, kB, {D, 2 * rows}, "directions, 2·gates·H");
  require_shape(label(), in, kSequenceLens, {s.B}, "batch");
  const Shape state = s.batch_first ? Shape{s.B, D, s.H} : Shape{D, s.B, s.H};
  for (int i : {kInitialH, kInitialC})
    require_shape(label(), in, i, state, s.batch_first ? "batch, directions, H" : "directions, batch, H");
  require_shape(label(), in, kP, {D, 3 * s.H}, "directions, 3·H");
  // So that no stride overflows, even where another extent is zero.
  element_count({std::max<int64_t>(s.T, 1), std::max<int64_t>(s.B, 1), std::max<int64_t>(s.I, 1)}, label());
  element_count({std::max<int64_t>(s.T, 1), std::max<int64_t>(s.B, 1), D * rows}, label());
  return s;
}

void Recurrent::check_types(Operands in) const {
  const DType type = in[kX].dtype;
  if (!is_real(type)) fail(label(), text("X of type ", name_of(type)), "must be float32, float16, bfloat16 or float64");
  for (int i = kW; i < static_cast<int>(in.size()); ++i) {
    if (!has_operand(in, i)) continue;
    const DType wanted = i == kSequenceLens ? DType::i32 : type;
    if (at(in, i).dtype != wanted)
      fail(label(), text(kOperandNames[i], " of type ", name_of(at(in, i).dtype)),
           text("must be ", name_of(wanted), i == kSequenceLens ? "" : " like X"));
  }
}

void Recurrent::check_lengths(Operands in, const RecurrentShape& s) const {
  const std::optional<std::vector<int64_t>> lengths = known_lengths(in);
  for (size_t b = 0; lengths && b < lengths->size(); ++b)
    if ((*lengths)[b] < 0 || (*lengths)[b] > s.T)
      fail(label(), text("sequence_lens[", b, "]=", (*lengths)[b]), text("must be 0 to ", s.T));
}

std::vector<TensorType> Recurrent::infer(Operands in) const {
  const RecurrentShape s = shape_of(in);
  check_types(in);
  check_lengths(in, s);
  const DType type = in[kX].dtype;
  const int64_t D = s.directions;
  const Shape y = s.batch_first ? Shape{s.B, s.T, D, s.H} : Shape{s.T, D, s.B, s.H};
  const Shape state = s.batch_first ? Shape{s.B, D, s.H} : Shape{D, s.B, s.H};
  std::vector<TensorType> types = {{type, y}, {type, state}};
  if (kind_ == CellKind::lstm) types.push_back({type, state});
  return types;
}

Role Recurrent::role(int input, Operands) const {
  switch (input) {
    case kX:
      return Role::activation;
    case kSequenceLens:
      return Role::free;
    case kInitialH:
    case kInitialC:
      return Role::state;
    default:
      return Role::weight;
  }
}

// RNN, LSTM, GRU, opset 1 to 22: every gate of a step is a product with W and one with R; two biases, given as a pair,
// are one addition. By elements: LSTM f⊙c, i⊙g, their sum, o⊙h(c); GRU r⊙h, 1 − z, ⊙n, z⊙h, sum; one special function a
// gate, and LSTM's h(c).
Cost Recurrent::cost(Operands in, std::span<const TensorType>) const {
  const RecurrentShape s = shape_of(in);
  const int64_t elementwise = kind_ == CellKind::lstm ? 4 : kind_ == CellKind::gru ? 5 : 0;
  const int64_t special = kind_ == CellKind::lstm ? 5 : kind_ == CellKind::gru ? 3 : 1;
  const Factor D{"D", s.directions}, B{"B", s.B}, T{"T", s.T}, H{"H", s.H}, gates{"gates", s.gates()};
  Cost cost;
  cost.source = "ONNX " + op() + ", opset 1 to 22: gates of I and H products a hidden unit, step, sequence, direction";
  const std::optional<std::vector<int64_t>> lengths = known_lengths(in);
  if (lengths && std::any_of(lengths->begin(), lengths->end(), [&](int64_t length) { return length != s.T; }))
    cost.source += "; every sequence counts as T steps, whatever its length";
  cost.textbook = true;
  cost.formulas = {product(label(), "macs", {D, B, T, gates, {"(I+H)", s.I + s.H}, H})};
  cost.macs = cost.macs_nopad = cost.formulas[0].value;
  if (has_operand(in, kB)) {
    cost.formulas.push_back(product(label(), "bias_additions", {D, B, T, gates, H}));
    cost.bias_additions = cost.formulas.back().value;
  }
  if (elementwise > 0) {
    cost.formulas.push_back(product(label(), "elementwise", {D, B, T, H, {"operations a hidden unit", elementwise}}));
    cost.elementwise = cost.formulas.back().value;
  }
  cost.formulas.push_back(product(label(), "special", {D, B, T, H, {"functions a hidden unit", special}}));
  cost.special = cost.formulas.back().value;
  return cost;
}

std::vector<Candidate> Recurrent::candidates(const PlanContext& context, Operands in,
                                             std::span<const TensorType> out) const {
  const RecurrentTask task(*this, in, out);
  std::vector<Candidate> list;
  for (size_t i = 0; i < std::size(kMethods); ++i) {
    const size_t before = list.size();
    kMethods[i].list(task, context, list);
    for (size_t k = before; k < list.size(); ++k) {
      list[k].outputs.assign(out.size(), Layout::plain);
      list[k].variant = static_cast<int>(i);
    }
  }
  return list;
}

void Recurrent::prepare(const Candidate& candidate, Preparation& preparation) const {
  const RecurrentTask task(*this, preparation.inputs(), preparation.outputs());
  if (task.shape.B == 0) return;
  kMethods[candidate.variant].prepare(task, candidate, preparation);
}

// -----------------------------------------------------------------------------------------------------------------
// task

RecurrentTask::RecurrentTask(const Recurrent& layer, Operands operands, std::span<const TensorType> out)
    : shape(layer.shape_of(operands)), attributes(layer.attributes()), in(operands), stateful(layer.stateful()) {
  const auto wanted = [&](size_t i) { return i < out.size() && out[i].dtype != DType::undefined; };
  y = wanted(Recurrent::kY);
  y_h = wanted(Recurrent::kYh);
  y_c = wanted(Recurrent::kYc);
  if (!has(Recurrent::kSequenceLens)) return;
  const std::optional<std::vector<int64_t>> known = known_lengths(in);
  lengths_fed = !known;
  if (known && std::any_of(known->begin(), known->end(), [&](int64_t length) { return length != shape.T; }))
    lengths = *known;
}

bool RecurrentTask::constant_weights() const {
  for (int i : {Recurrent::kW, Recurrent::kR, Recurrent::kB, Recurrent::kP})
    if (has(i) && constant(i) == nullptr) return false;
  return true;
}

int64_t RecurrentTask::all_steps() const {
  int64_t sum = 0;
  for (int64_t length : lengths) sum += length;
  return lengths.empty() ? shape.B * shape.T : sum;
}

Candidate RecurrentTask::candidate(const char* kernel, double cycles) const {
  return uniform_candidate(kernel, in.size(), 0, Layout::plain, Layout::plain, cycles);
}

}  // namespace tally
