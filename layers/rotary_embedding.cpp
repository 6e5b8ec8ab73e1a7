#include <algorithm>

#include "tally/layers/broadcast_loops.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/operand.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/permutation.h"
#include "tally/layers/placement.h"
#include "tally/layers/rotary.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

constexpr int kX = RotaryEmbedding::kX, kCos = RotaryEmbedding::kCos, kSin = RotaryEmbedding::kSin,
              kIds = RotaryEmbedding::kIds;

const char* name_of_table(int input) { return input == kCos ? "cos_cache" : "sin_cache"; }

int64_t rows_of(const RotaryArgs& args) { return args.size[0] * args.size[1] * args.size[2]; }

/// The loops over rows of extents `rows`: the strides of X and of the positions along each; those of Y are dense.
void set_loops(RotaryArgs& args, const Shape& rows, const Shape& x, const Shape& position, const std::string& who) {
  const std::vector<PairLoop> loops = pair_loops(rows, Layout::plain, 0, {rows, x}, {rows, position});
  if (loops.size() > kRotaryLoops)
    fail(who, text("rows that lie in ", loops.size(), " loops"), text("must lie in at most ", kRotaryLoops),
         ErrorCode::limit);
  int64_t y_stride = args.width;
  for (size_t d = loops.size(); d-- > 0;) {
    args.size[d] = loops[d].size;
    args.x_stride[d] = loops[d].a_stride;
    args.y_stride[d] = y_stride;
    args.position[d] = loops[d].b_stride;
    y_stride *= loops[d].size;
  }
}

/// One operand's bytes a run, told apart by which operands are constants.
Planned by_constness(Planned planned, Operands in, const RotaryArgs& args, int64_t element_bytes) {
  const int64_t table = rows_of(args) * (args.wide ? args.rotated : args.rotated / 2) * element_bytes;
  const int64_t x = rows_of(args) * args.width * element_bytes;
  planned.loaded_weights = 0;
  for (const auto& [input, bytes] : {std::pair{kX, x}, std::pair{kCos, table}, std::pair{kSin, table},
                                     std::pair{kIds, rows_of(args) * int64_t{sizeof(int64_t)}}})
    if (has_operand(in, input) && in[static_cast<size_t>(input)].constant) planned.loaded_weights += bytes;
  planned.loaded_activations = planned.tally.bytes_loaded - planned.loaded_weights;
  return planned;
}

/// One row of pairs in double.
template <class T>
void turn_host_row(const RotaryArgs& args, const T* x, const T* cos, const T* sin, T* y) {
  const int64_t half = args.rotated / 2;
  for (int64_t i = 0; i < half; ++i) {
    const int64_t one = args.interleaved ? 2 * i : i, two = args.interleaved ? one + 1 : one + half;
    const int64_t first = args.wide ? one : i, second = args.wide ? two : i;
    const double x1 = to_sum(x[one]), x2 = to_sum(x[two]);
    y[one] = from_sum<T>(to_sum(cos[first]) * x1 - to_sum(sin[first]) * x2);
    y[two] = from_sum<T>(to_sum(sin[second]) * x1 + to_sum(cos[second]) * x2);
  }
  for (int64_t i = args.rotated; i < args.width; ++i) y[i] = x[i];
}

/// Calls f(offset in X, offset in Y, position) for every row.
template <class F>
void for_each_rotary_row(const RotaryArgs& args, F f) {
  for (int64_t i = 0; i < args.size[0]; ++i)
    for (int64_t j = 0; j < args.size[1]; ++j)
      for (int64_t k = 0; k < args.size[2]; ++k) {
        const auto at = [&](const int64_t(&stride)[kRotaryLoops]) {
          return i * stride[0] + j * stride[1] + k * stride[2];
        };
        f(at(args.x_stride), at(args.y_stride), at(args.position));
      }
}

}  // namespace

RotaryEmbedding::RotaryEmbedding(const Node& node) : Layer(node) {
  spec_.interleaved = node.get_int("interleaved", 0) != 0;
  spec_.heads = node.get_int("num_heads", 0);
  spec_.rotated = node.get_int("rotary_embedding_dim", 0);
  if (spec_.heads < 0) fail(label(), text("num_heads=", spec_.heads), "must be >= 0");
  if (spec_.rotated < 0 || spec_.rotated % 2 != 0)
    fail(label(), text("rotary_embedding_dim=", spec_.rotated), "must be even and >= 0");
}

Shape RotaryEmbedding::turned_shape(Operands in) const {
  const Shape& x = in[kX].shape;
  if (spec_.x_axes.empty()) return x;
  if (x.size() != spec_.x_axes.size())
    fail(label(), text("X of rank ", x.size()), text("must have rank ", spec_.x_axes.size()));
  Shape turned;
  for (size_t axis : spec_.x_axes) turned.push_back(x[axis]);
  return turned;
}

std::vector<TensorType> RotaryEmbedding::infer(Operands in) const {
  require_inputs(label(), in, 3, 4);
  for (int i : {kX, kCos, kSin})
    if (in[static_cast<size_t>(i)].dtype != in[kX].dtype || !is_real(in[static_cast<size_t>(i)].dtype))
      fail(label(), text("input ", i, " of type ", name_of(in[static_cast<size_t>(i)].dtype)),
           "must be float16, bfloat16, float32 or float64, all the same");
  if (has_operand(in, kIds) && in[kIds].dtype != DType::i64)
    fail(label(), text("position_ids of type ", name_of(in[kIds].dtype)), "must be int64");
  make_args(in);
  return {{in[kX].dtype, turned_shape(in)}};
}

// The function's body: two products and a sum for each rotated element.
Cost RotaryEmbedding::cost(Operands in, std::span<const TensorType>) const {
  const RotaryArgs args = make_args(in);
  Cost cost;
  cost.source = "ONNX RotaryEmbedding, opset 23: the function's body, four products, a difference and a sum a pair";
  cost.formulas = {product(label(), "elementwise",
                           {{"operations an element", 3}, {"rows", rows_of(args)}, {"rotated", args.rotated}})};
  cost.elementwise = cost.formulas[0].value;
  return cost;
}

StreamStep RotaryEmbedding::stream(Operands in, std::span<const int> time_axes) const {
  const auto axis = [&](int i) {
    return static_cast<size_t>(i) < time_axes.size() ? time_axes[static_cast<size_t>(i)] : kNoTimeAxis;
  };
  const Shape turned = turned_shape(in);
  const auto rank = static_cast<int>(turned.size());
  int time = axis(kX);  // of what is turned
  for (size_t d = 0; time != kNoTimeAxis && d < spec_.x_axes.size(); ++d)
    if (spec_.x_axes[d] == static_cast<size_t>(axis(kX))) {
      time = static_cast<int>(d);
      break;
    }
  const int rows = rank == 4 ? 2 : 1;
  if (time == kNoTimeAxis || time == rank - 1 || (!spec_.recognised && time != rows))
    return stream_obstacle("turns heads or elements, not time steps");
  StreamStep step;
  step.time_axes = {time};
  const auto follows = [&](int input, int along) {
    if (along < 0) return true;  // it serves all steps alike
    const Operand& table = in[static_cast<size_t>(input)];
    if (axis(input) == along || table.shape[static_cast<size_t>(along)] == 1) return true;
    if (!table.constant) return false;
    step.tables.push_back({input, along});
    return true;
  };
  const auto along = [&](int input) {
    if (!spec_.recognised) return 1;
    const int table_rank = static_cast<int>(in[static_cast<size_t>(input)].shape.size() - spec_.trailing);
    return time - (rank - table_rank);
  };
  const bool all = has_operand(in, kIds) ? follows(kIds, 1) : follows(kCos, along(kCos)) && follows(kSin, along(kSin));
  if (!all) return stream_obstacle("takes positions that do not run with time");
  return step;
}

std::vector<Candidate> RotaryEmbedding::candidates(const PlanContext& context, Operands in,
                                                   std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  const bool kernel = in[kX].dtype == DType::f32;
  const double cycles = kernel ? planned_cycles(g, planned_rotary(make_args(in), has_operand(in, kIds), g), kStepCycles)
                               : kHostCyclesPerElement * static_cast<double>(element_count(out[0].shape));
  return {uniform_candidate(kernel ? "rotary" : "host", in.size(), 1, Layout::plain, Layout::plain, cycles)};
}

void RotaryEmbedding::prepare(const Candidate& candidate, Preparation& p) const {
  const Operands in = p.inputs();
  const RotaryArgs args = make_args(in);
  if (rows_of(args) == 0 || args.width == 0) return;
  if (in[kX].dtype != DType::f32) return prepare_host(args, candidate.cycles, p);
  std::vector<PointerBinding> pointers = {{offsetof(RotaryArgs, x), p.input(kX).buffer},
                                          {offsetof(RotaryArgs, cos), p.input(kCos).buffer},
                                          {offsetof(RotaryArgs, sin), p.input(kSin).buffer},
                                          {offsetof(RotaryArgs, y), p.output(0).buffer}};
  const bool ids = has_operand(in, kIds);
  if (ids) pointers.push_back({offsetof(RotaryArgs, ids), p.input(kIds).buffer});
  const Planned planned = planned_rotary(args, ids, p.geometry());
  p.add_kernel<[](const KernelTable& t) { return t.rotary; }>(
      args, pointers, by_constness(planned, in, args, sizeof(float)), candidate.cycles);
}

RotaryArgs RotaryEmbedding::make_args(Operands in) const {
  if (spec_.recognised) return recognised_args(in);
  const Shape x = turned_shape(in);
  RotaryArgs args;
  int64_t B = 0, H = 0, N = 0;
  Shape rows, strides, position;
  if (x.size() == 4) {  // [B, H, N, width]
    B = x[0], H = x[1], N = x[2];
    if (spec_.heads > 0 && spec_.heads != H)
      fail(label(), text("num_heads=", spec_.heads), text("must be ", H, " as in X"));
    args.width = x[3];
    rows = {B, H, N};
    const Shape dense = row_major_strides(in[kX].shape);
    for (size_t d = 0; d < 3; ++d) strides.push_back(dense[spec_.x_axes.empty() ? d : spec_.x_axes[d]]);
    position = {N, 0, 1};
  } else if (x.size() == 3) {  // [B, N, H · width]
    H = spec_.heads, B = x[0], N = x[1];
    if (H == 0 || x[2] % H != 0)
      fail(label(), text("num_heads=", H), text("must divide the ", x[2], " elements of a row of X"));
    args.width = x[2] / H;
    rows = {B, N, H};
    const Shape dense = row_major_strides(in[kX].shape);
    for (size_t d = 0; d < 2; ++d) strides.push_back(dense[spec_.x_axes.empty() ? d : spec_.x_axes[d]]);
    strides.push_back(args.width);
    position = {N, 1, 0};
  } else {
    fail(label(), text("X of shape ", to_string(x)), "must have rank 3 or 4");
  }
  args.interleaved = spec_.interleaved;
  args.rotated = spec_.rotated == 0 ? args.width : spec_.rotated;
  if (args.rotated > args.width || args.rotated % 2 != 0)
    fail(label(), text(args.rotated, " rotated elements of ", args.width), "must be even and at most a head's");
  const bool ids = has_operand(in, kIds);
  if (ids && in[kIds].shape != Shape{B, N})
    fail(label(), text("position_ids of shape ", to_string(in[kIds].shape)),
         text("must have shape ", to_string({B, N})));
  for (int i : {kCos, kSin}) {
    const Shape& cache = in[static_cast<size_t>(i)].shape;
    const Shape wanted = ids ? Shape{cache.empty() ? 0 : cache[0], args.rotated / 2} : Shape{B, N, args.rotated / 2};
    if (cache != wanted || cache != in[kCos].shape)
      fail(label(), text(name_of_table(i), " of shape ", to_string(cache)),
           text("must have shape ", to_string(i == kCos ? wanted : in[kCos].shape)));
  }
  args.positions = ids ? in[kCos].shape[0] : 0;
  if (ids && args.positions == 0 && B * N > 0) fail(label(), "caches without rows", "must have at least one");
  set_loops(args, rows, strides, position, label());
  return args;
}

RotaryArgs RotaryEmbedding::recognised_args(Operands in) const {
  const Shape x = turned_shape(in);
  if (x.empty() || x.back() % 2 != 0)
    fail(label(), text("X of shape ", to_string(in[kX].shape)), "must end with pairs");
  RotaryArgs args;
  args.width = args.rotated = x.back();
  args.interleaved = spec_.interleaved;
  args.wide = spec_.wide;
  Shape table = in[kCos].shape;
  if (in[kSin].shape != table)
    fail(label(), text("sin of shape ", to_string(in[kSin].shape)), text("must have cos's ", to_string(table)));
  for (int64_t i = 0; i < spec_.trailing && !table.empty() && table.back() == 1; ++i) table.pop_back();
  const int64_t entries = spec_.wide ? args.width : args.width / 2;
  if (table.empty() || table.back() != entries || table.size() > x.size())
    fail(label(), text("tables of shape ", to_string(in[kCos].shape)), text("must end with ", entries, " elements"));
  const Shape rows(x.begin(), x.end() - 1);
  const Shape own = with_leading_ones(Shape(table.begin(), table.end() - 1), rows.size());
  if (broadcast(rows, own) != rows)
    fail(label(), text("tables of shape ", to_string(in[kCos].shape)), text("must broadcast to ", to_string(x)));
  Shape strides, position = row_major_strides(own);
  const Shape dense = row_major_strides(in[kX].shape);
  for (size_t d = 0; d < rows.size(); ++d) {
    strides.push_back(dense[spec_.x_axes.empty() ? d : spec_.x_axes[d]]);
    if (own[d] == 1) position[d] = 0;
  }
  set_loops(args, rows, strides, position, label());
  return args;
}

std::shared_ptr<const Layer> RotaryEmbedding::with_transposition(Operands in,
                                                                 const std::vector<size_t>& permutation) const {
  const size_t rank = permutation.size();
  if (permutation.back() != rank - 1 || in[kX].shape.size() != rank) return nullptr;
  auto layer = std::make_shared<RotaryEmbedding>(*this);
  layer->spec_.x_axes = composed(spec_.x_axes, permutation);
  std::vector<Operand> operands(in.begin(), in.end());
  operands[kX].shape = extents_before(in[kX].shape, permutation);
  try {
    layer->infer(operands);
  } catch (const Error&) {  // more loops than the kernel walks
    return nullptr;
  }
  return layer;
}

void RotaryEmbedding::prepare_host(const RotaryArgs& args, double cycles, Preparation& p) const {
  const Operands in = p.inputs();
  const bool ids = has_operand(in, kIds);
  const int64_t table = args.wide ? args.rotated : args.rotated / 2;
  with_number_type(in[kX].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) {
      constexpr int64_t kBytes = sizeof(T);
      const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
        int64_t done = 0;
        for_each_rotary_row(args, [&](int64_t x, int64_t y, int64_t position) {
          if (ids) {
            position = reinterpret_cast<const int64_t*>(at[3])[position];
            position = std::clamp<int64_t>(position < 0 ? position + args.positions : position, 0, args.positions - 1);
          }
          turn_host_row(args, reinterpret_cast<const T*>(at[0]) + x,
                        reinterpret_cast<const T*>(at[1]) + position * table,
                        reinterpret_cast<const T*>(at[2]) + position * table, reinterpret_cast<T*>(at[4]) + y);
          ++done;
        });
        if (!tally) return;
        tally->bytes_loaded += done * ((args.width + 2 * table) * kBytes + (ids ? 8 : 0));
        tally->bytes_stored += done * args.width * kBytes;
      };
      const int64_t rows = rows_of(args);
      const Planned planned =
          host_planned(rows * ((args.width + 2 * table) * kBytes + (ids ? 8 : 0)), 0, rows * args.width * kBytes);
      add_host_step(p,
                    {p.input(kX).buffer, p.input(kCos).buffer, p.input(kSin).buffer, ids ? p.input(kIds).buffer : -1,
                     p.output(0).buffer},
                    by_constness(planned, in, args, kBytes), cycles, run);
    }
  });
}

std::unique_ptr<Layer> make_rotary_embedding(const Node& node) { return std::make_unique<RotaryEmbedding>(node); }

}  // namespace tally
