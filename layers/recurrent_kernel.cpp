// Recurrent layers on the float32 kernel: gates interleaved, one pass over [x; h] a step. Where the weights of a whole
// sequence would come from the second cache step by step, the part that meets x is one matrix product over time
// instead.
#include <algorithm>
#include <cstring>
#include <optional>

#include "tally/layers/gemm_tables.h"
#include "tally/layers/recurrent_methods.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/pack_recurrent.h"
#include "tally/platforms/kernels/planned_gemm.h"
#include "tally/platforms/kernels/planned_recurrent.h"

namespace tally {

namespace {

constexpr int64_t kFloatBytes = 4;
/// Weights that stay in the first cache from step to step (of 32 KiB; x, h and the rest need some) are read forwards
/// always, others in turn from either end.
constexpr int64_t kFirstCacheBytes = 24 * 1024;
/// The chain from one step's h to the next one's: a load, sums, two activations.
constexpr double kStepChainCycles = 130;
/// Fewer inputs, or fewer rows of them, are not worth a product of their own.
constexpr int64_t kLeastGemmInputs = 8, kLeastGemmRows = 4;
constexpr double kMostWeights = 1e9;

std::optional<GateActivation> gate_activation(const CellActivation& activation) {
  switch (activation.function) {
    case CellFunction::sigmoid:
      return GateActivation::sigmoid;
    case CellFunction::tanh:
      return GateActivation::tanh;
    case CellFunction::relu:
      return GateActivation::relu;
    default:
      return {};
  }
}

RecurrentCell cell_of(const RecurrentTask& task) {
  switch (task.shape.kind) {
    case CellKind::lstm:
      return RecurrentCell::lstm;
    case CellKind::gru:
      return task.attributes.linear_before_reset ? RecurrentCell::gru : RecurrentCell::gru_reset_first;
    case CellKind::elman:
      break;
  }
  return RecurrentCell::elman;
}

/// The arguments of direction `d` but for pointers; nothing where the kernel lacks one of its activations.
std::optional<RecurrentArgs> recurrent_args(const RecurrentTask& task, int64_t d, const Geometry& g) {
  const RecurrentShape& s = task.shape;
  RecurrentArgs a;
  a.cell = cell_of(task);
  std::optional<GateActivation> chosen[3];
  const auto functions = task.activations(d);
  for (size_t i = 0; i < functions.size(); ++i) {
    chosen[i] = gate_activation(functions[i]);
    if (!chosen[i]) return {};
  }
  if (s.kind == CellKind::elman) {
    a.g = *chosen[0];
  } else {
    a.f = *chosen[0];
    a.g = *chosen[1];
    if (s.kind == CellKind::lstm) a.output = *chosen[2];
  }
  a.clip = task.attributes.clip.value_or(0);
  a.T = s.T;
  a.B = s.B;
  a.I = s.I;
  a.H = s.H;
  a.lanes = recurrent_lanes(s.H, g);
  a.padded = (s.H + a.lanes - 1) / a.lanes * a.lanes;
  const int64_t way = task.attributes.reversed(static_cast<int>(d)) ? -1 : 1;
  a.x_step = way * s.x_step();
  a.x_sequence = s.x_sequence();
  a.y_step = way * s.y_step();
  a.y_sequence = s.y_sequence();
  a.initial_sequence = a.state_sequence = s.state_sequence();
  const int64_t weight_bytes = kFloatBytes * recurrent_weight_elements(a);
  if (s.T * s.B >= kLeastGemmRows && s.I >= kLeastGemmInputs && weight_bytes > kFirstCacheBytes) {
    a.I = 0;
    a.gates_step = way * s.x_step() / s.I * s.gates() * s.H;
    a.gates_sequence = s.x_sequence() / s.I * s.gates() * s.H;
  }
  a.alternate = kFloatBytes * recurrent_weight_elements(a) > kFirstCacheBytes;
  return a;
}

bool uses_gemm(const RecurrentTask& task, const RecurrentArgs& args) { return args.I != task.shape.I; }

/// The product over time: gates[t, b, G·H] = X[t, b, I]·Wᵀ + bias. Null where it would be too large.
std::shared_ptr<GemmTables> input_tables(const RecurrentTask& task, const Geometry& g) {
  const RecurrentShape& s = task.shape;
  constexpr int64_t kMost = int64_t{1} << 24;
  if (s.T * s.B > kMost || s.I > kMost || s.gates() * s.H > kMost) return nullptr;
  GemmProblem problem;
  problem.parts.push_back({{0, 0, 1, static_cast<int32_t>(s.T * s.B)}, {{0, 0, static_cast<int32_t>(s.I)}}});
  problem.group_columns = s.gates() * s.H;
  problem.row_bytes = kFloatBytes * s.I;
  problem.n_stride = s.I;
  for (int32_t k = 0; k < s.I; ++k) problem.order.push_back(k);
  auto tables = make_gemm_tables(problem, g);
  if (!tables) return nullptr;
  GemmArgs& args = tables->args;
  args.a_x = s.I;
  args.c_x = s.gates() * s.H;
  args.a_y = s.T * s.B * args.a_x;
  args.c_y = s.T * s.B * args.c_x;
  return tables;
}

bool serves(const RecurrentTask& task, const PlanContext& context) {
  const RecurrentShape& s = task.shape;
  if (!context.kernels->recurrent || task.in[Recurrent::kX].dtype != DType::f32) return false;
  if (!task.constant_weights() || task.has(Recurrent::kP) || task.attributes.input_forget) return false;
  if (!task.lengths.empty() || task.lengths_fed) return false;
  if (task.attributes.clip && !(*task.attributes.clip > 0)) return false;
  const double lanes = context.kernels->geometry.lanes;
  return static_cast<double>(s.gates()) * (static_cast<double>(s.H) + lanes) * static_cast<double>(s.I + s.H) <
         kMostWeights;
}

/// Planned tallies look at whether an operand is there, never at its bytes.
RecurrentArgs described(const RecurrentTask& task, RecurrentArgs a) {
  static float something = 0;
  static int32_t turn = 0;
  if (task.has(Recurrent::kB)) a.bias = &something;
  if (uses_gemm(task, a)) a.gates = &something;
  if (task.stateful) a.turn = &turn;
  if (task.has(Recurrent::kInitialH)) a.initial_h = &something;
  if (task.has(Recurrent::kInitialC)) a.initial_c = &something;
  if (task.y) a.y = &something;
  if (task.y_h) a.y_h = &something;
  if (task.y_c) a.y_c = &something;
  return a;
}

/// The raw operands of direction `d`.
RecurrentWeights raw_weights(const RecurrentTask& task, int64_t d) {
  const RecurrentShape& s = task.shape;
  const int64_t rows = s.gates() * s.H;
  RecurrentWeights raw;
  raw.w = task.constant(Recurrent::kW)->values<float>().data() + d * rows * s.I;
  raw.r = task.constant(Recurrent::kR)->values<float>().data() + d * rows * s.H;
  if (task.has(Recurrent::kB)) {
    raw.wb = task.constant(Recurrent::kB)->values<float>().data() + d * 2 * rows;
    raw.rb = raw.wb + rows;
  }
  return raw;
}

float* floats(AlignedBuffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }

/// Adds the product over time; returns the buffer of its rows.
BufferId add_input_product(const RecurrentTask& task, const RecurrentArgs& args, const RecurrentWeights& raw,
                           Preparation& preparation) {
  const RecurrentShape& s = task.shape;
  const Geometry& g = preparation.geometry();
  const std::shared_ptr<GemmTables> tables = input_tables(task, g);
  const int64_t rows = s.gates() * s.H;
  const BufferId gates = preparation.add_scratch(kFloatBytes * s.T * s.B * rows);
  AlignedBuffer weights(kFloatBytes * tables->packing.weight_elements);
  tables->pack_weights(g, raw.w, floats(weights));
  std::vector<PointerBinding> pointers = {
      {offsetof(GemmArgs, a), preparation.input(Recurrent::kX).buffer, 0},
      {offsetof(GemmArgs, w), preparation.add_weights(std::move(weights), task.in[Recurrent::kW].name + " packed"), 0},
      {offsetof(GemmArgs, c), gates, 0}};
  if (raw.wb) {
    std::vector<float> sums(static_cast<size_t>(rows));
    // The new gate of a GRU keeps R's bias beside its product with h.
    const int64_t whole = args.cell == RecurrentCell::gru ? 2 * s.H : rows;
    for (int64_t i = 0; i < rows; ++i) sums[static_cast<size_t>(i)] = raw.wb[i] + (i < whole ? raw.rb[i] : 0.0f);
    AlignedBuffer bias(kFloatBytes * tables->packing.bias_elements);
    tables->pack_bias(g, sums.data(), 1, 1.0, floats(bias));
    pointers.push_back({offsetof(GemmArgs, bias),
                        preparation.add_weights(std::move(bias), task.in[Recurrent::kB].name + " packed"), 0});
  }
  Planned planned = planned_gemm(described(tables->args, raw.wb != nullptr, false), Num::f32, g);
  planned.stored_scratch += planned.stored_outputs;
  planned.stored_outputs = 0;
  auto& step = preparation.add_kernel<[](const KernelTable& t) { return t.gemm[static_cast<int>(Num::f32)]; }>(
      tables->args, std::move(pointers), planned, planned_cycles(g, planned));
  step.owned.push_back(tables);
  return gates;
}

/// h or c: `rows` padded rows a sequence. Of a stream they outlive the run, starting from `initial`.
BufferId add_carried(const RecurrentTask& task, const RecurrentArgs& args, int initial, int64_t rows, const char* name,
                     Preparation& preparation) {
  const int64_t bytes = kFloatBytes * args.B * rows * args.padded;
  if (!task.stateful) return preparation.add_scratch(bytes);
  AlignedBuffer first;
  if (const Tensor* value = task.constant(initial)) {
    first = AlignedBuffer(bytes);
    for (int64_t b = 0; b < args.B; ++b)
      std::memcpy(floats(first) + b * rows * args.padded, value->values<float>().data() + b * args.initial_sequence,
                  static_cast<size_t>(kFloatBytes * args.H));
  }
  return preparation.add_state(static_cast<size_t>(bytes), name, std::move(first));
}

/// Where the operands of direction `d` lie.
std::vector<PointerBinding> bind_operands(const RecurrentTask& task, const RecurrentArgs& args, int64_t d,
                                          Preparation& preparation) {
  const RecurrentShape& s = task.shape;
  std::vector<PointerBinding> pointers;
  const auto bind = [&](size_t member, BufferId buffer, int64_t elements) {
    pointers.push_back({member, buffer, kFloatBytes * elements});
  };
  // A reversed direction begins with the last step.
  const int64_t first = task.attributes.reversed(static_cast<int>(d)) ? std::max<int64_t>(s.T - 1, 0) : 0;
  if (!uses_gemm(task, args))
    bind(offsetof(RecurrentArgs, x), preparation.input(Recurrent::kX).buffer, first * s.x_step());
  if (task.y) {
    const int64_t offset = d * s.y_direction() + first * s.y_step();
    bind(offsetof(RecurrentArgs, y), preparation.output(Recurrent::kY).buffer, offset);
  }
  const int64_t state = d * s.state_direction();
  if (task.y_h) bind(offsetof(RecurrentArgs, y_h), preparation.output(Recurrent::kYh).buffer, state);
  if (task.y_c) bind(offsetof(RecurrentArgs, y_c), preparation.output(Recurrent::kYc).buffer, state);
  if (!task.stateful && task.has(Recurrent::kInitialH))
    bind(offsetof(RecurrentArgs, initial_h), preparation.input(Recurrent::kInitialH).buffer, state);
  if (!task.stateful && task.has(Recurrent::kInitialC))
    bind(offsetof(RecurrentArgs, initial_c), preparation.input(Recurrent::kInitialC).buffer, state);
  bind(offsetof(RecurrentArgs, h), add_carried(task, args, Recurrent::kInitialH, 2, "h", preparation), 0);
  if (s.kind == CellKind::lstm)
    bind(offsetof(RecurrentArgs, c), add_carried(task, args, Recurrent::kInitialC, 1, "c", preparation), 0);
  if (args.cell == RecurrentCell::gru_reset_first)
    bind(offsetof(RecurrentArgs, scratch), preparation.add_scratch(kFloatBytes * args.B * 2 * args.padded), 0);
  if (task.stateful)
    bind(offsetof(RecurrentArgs, turn),
         preparation.add_state(static_cast<size_t>(args.B) * sizeof(int32_t), "turn of h"), 0);
  return pointers;
}

double step_cycles(const RecurrentTask& task, const Planned& planned, const Geometry& g) {
  return planned_cycles(g, planned, kStepChainCycles * static_cast<double>(task.shape.T * task.shape.B));
}

void add_direction(const RecurrentTask& task, int64_t d, Preparation& preparation) {
  const Geometry& g = preparation.geometry();
  const RecurrentArgs args = *recurrent_args(task, d, g);
  const RecurrentWeights raw = raw_weights(task, d);
  BufferId gates = -1;
  if (uses_gemm(task, args)) gates = add_input_product(task, args, raw, preparation);

  AlignedBuffer weights(kFloatBytes * recurrent_weight_elements(args));
  pack_recurrent(args, raw, g, floats(weights));
  std::vector<PointerBinding> pointers = bind_operands(task, args, d, preparation);
  if (gates >= 0) {
    const RecurrentShape& s = task.shape;
    const bool reversed = task.attributes.reversed(static_cast<int>(d));
    pointers.push_back(
        {offsetof(RecurrentArgs, gates), gates, reversed ? -kFloatBytes * (s.T - 1) * args.gates_step : 0});
  }
  pointers.push_back({offsetof(RecurrentArgs, w),
                      preparation.add_weights(std::move(weights), task.in[Recurrent::kR].name + " packed"), 0});
  if (raw.wb) {
    AlignedBuffer bias(kFloatBytes * recurrent_bias_elements(args));
    pack_recurrent_bias(args, raw, floats(bias));
    pointers.push_back({offsetof(RecurrentArgs, bias),
                        preparation.add_weights(std::move(bias), task.in[Recurrent::kB].name + " packed"), 0});
  }
  const Planned planned = planned_recurrent(described(task, args), g);
  preparation.add_kernel<[](const KernelTable& t) { return t.recurrent; }>(args, std::move(pointers), planned,
                                                                           step_cycles(task, planned, g));
}

}  // namespace

void list_recurrent_kernel(const RecurrentTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  if (!serves(task, context)) return;
  const Geometry& g = context.kernels->geometry;
  double cycles = 0;
  for (int64_t d = 0; d < task.shape.directions; ++d) {
    const auto args = recurrent_args(task, d, g);
    if (!args) return;
    if (uses_gemm(task, *args)) {
      const auto tables = input_tables(task, g);
      if (!tables) return;
      cycles += tables->cycles(g, task.has(Recurrent::kB), false);
    }
    cycles += step_cycles(task, planned_recurrent(described(task, *args), g), g);
  }
  list.push_back(task.candidate("recurrent", cycles));
}

void prepare_recurrent_kernel(const RecurrentTask& task, const Candidate&, Preparation& preparation) {
  for (int64_t d = 0; d < task.shape.directions; ++d) add_direction(task, d, preparation);
}

}  // namespace tally
