// Gather: Y[…, j, …] = X[…, indices[j], …], the axis of X replaced by the axes of the indices: embedding tables, and
// single elements of shapes.
#include "tally/layers/copy_layer.h"
#include "tally/layers/gather_step.h"
#include "tally/layers/indices.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr int kX = 0, kIndices = 1;
constexpr size_t kMaxRuns = 64;  ///< copies that constant indices may become
enum Way : int { kCopies, kRows };

/// The last step of a stream's time axis, where a step holds no other: the same bytes without the axis.
class OnlyStep final : public Layer {
 public:
  OnlyStep(const Node& node, size_t axis) : Layer(node), axis_(axis) {}
  int view_of() const override { return kX; }
  std::vector<TensorType> infer(Operands in) const override {
    Shape y = in[kX].shape;
    y.erase(y.begin() + static_cast<std::ptrdiff_t>(axis_));
    y.insert(y.begin() + static_cast<std::ptrdiff_t>(axis_), in[kIndices].shape.size(), 1);
    return {{in[kX].dtype, y}};
  }
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.view = true;
    cost.coverage = Coverage::free;
    cost.source = "ONNX Gather of the only step: a view moves no data";
    return cost;
  }
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    return {};
  }
  void prepare(const Candidate&, Preparation&) const override {}

 private:
  size_t axis_;
};

/// Operands: X, indices (int32 or int64). Indices known at load are checked there; others that lie outside read the
/// nearest row, as a run cannot fail.
class Gather final : public Layer, public MovesWhole {
 public:
  explicit Gather(const Node& node) : Layer(node), name_(node.name), axis_(node.get_int("axis", 0)) {}

  Role role(int input, Operands) const override { return input == kX ? Role::weight : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    whole_element_bytes(in[kX].dtype, label());
    const size_t at = axis(in);
    const Shape &x = in[kX].shape, &indices = in[kIndices].shape;
    check_indices(label(), in[kIndices], x[at]);
    Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(at));
    y.insert(y.end(), indices.begin(), indices.end());
    y.insert(y.end(), x.begin() + static_cast<std::ptrdiff_t>(at) + 1, x.end());
    element_count(y, label());
    return {{in[kX].dtype, y}};
  }

  // Of a table no more rows than there are indices, nor more than it has.
  int64_t bytes_used(int input, Operands in, std::span<const TensorType> out) const override {
    if (input != kX || !in[kX].constant) return -1;
    return std::min(element_count(in[kX].shape), element_count(out[0].shape)) * element_bytes(in);
  }

  // Moves the rows chosen and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Gather, opset 1 to 24: moves data only";
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType>) const override {
    Candidate c = uniform_candidate("gather", 2, 1, Layout::plain, Layout::plain, gather_cycles(args(in)));
    c.variant = kRows;
    if (const auto runs = constant_runs(in)) {
      c.kernel = "copy";
      c.variant = kCopies;
      c.cycles = 0;
      for (const IndexRun& run : *runs) c.cycles += copy_cycles(run_args(in, run), context.kernels->geometry);
    }
    return {c};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    if (candidate.variant == kRows)
      return add_gather_step(p, args(in), {p.input(kX).buffer, in[kX].constant != nullptr},
                             {p.input(kIndices).buffer, in[kIndices].constant != nullptr}, p.output(0).buffer);
    const int64_t row = row_elements(in);
    const Placement x = p.input(kX), y = p.output(0);
    const std::vector<IndexRun> runs = constant_runs(in).value();
    for (const IndexRun& run : runs)
      add_copy_step(p, run_args(in, run), {x.buffer, run.first * row, in[kX].constant != nullptr},
                    {y.buffer, run.begin * row});
  }

  std::optional<Move> whole_move(Operands in, std::span<const TensorType>, int) const override {
    const std::optional<std::vector<IndexRun>> runs = constant_runs(in);
    if (!runs || runs->size() != 1) return {};
    return Move{0, 0, run_loops(in, runs->front()), runs->front().first * row_elements(in)};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto at = static_cast<int>(axis(in));
    const int t = time_axes[kX], t_index = time_axes[kIndices];
    const int index_rank = static_cast<int>(in[kIndices].shape.size());
    if (t < 0) return stream_unchanged(at + t_index);
    if (t_index >= 0) return stream_obstacle("chooses among time steps by values that change over time");
    if (t != at) return stream_unchanged(t < at ? t : t - 1 + index_rank);
    const int64_t steps = in[kX].shape[static_cast<size_t>(at)];
    const Tensor* indices = in[kIndices].constant;
    if (!indices || !indices->has_data()) return stream_obstacle("chooses time steps by indices that are no constants");
    for (int64_t index : indices->to_int64())
      if (clamped_index(index, steps) != steps - 1)
        return stream_obstacle(text("takes step ", index, " of ", steps, ", not the last"));
    if (indices->elements() != 1)
      return {"", nullptr, {kNoTimeAxis}, {{kIndices, Tensor(indices->dtype(), indices->shape())}}, {}};
    Node node;
    node.name = name_;
    node.op = op();
    return {"", std::make_shared<OnlyStep>(node, axis(in)), {kNoTimeAxis}, {}, {}};
  }

 private:
  size_t axis(Operands in) const {
    return static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(in[kX].shape.size()), label()));
  }
  int64_t element_bytes(Operands in) const { return whole_element_bytes(in[kX].dtype, label()); }
  int64_t row_elements(Operands in) const {
    const Shape& x = in[kX].shape;
    return element_count(Shape(x.begin() + static_cast<std::ptrdiff_t>(axis(in)) + 1, x.end()));
  }

  GatherArgs args(Operands in) const {
    const Shape& x = in[kX].shape;
    const auto at = static_cast<std::ptrdiff_t>(axis(in));
    GatherArgs args;
    args.outer = element_count(Shape(x.begin(), x.begin() + at));
    args.count = element_count(in[kIndices].shape);
    args.n = x[static_cast<size_t>(at)];
    args.row_bytes = row_elements(in) * element_bytes(in);
    args.wide_indices = in[kIndices].dtype == DType::i64;
    return args;
  }

  std::optional<std::vector<IndexRun>> constant_runs(Operands in) const {
    const Tensor* indices = in[kIndices].constant;
    if (!indices || !indices->has_data()) return std::nullopt;
    return index_runs(indices->to_int64(), in[kX].shape[axis(in)], kMaxRuns);
  }

  std::vector<CopyLoop> run_loops(Operands in, const IndexRun& run) const {
    const GatherArgs a = args(in);
    const int64_t row = row_elements(in);
    return {{a.outer, a.n * row, a.count * row}, {run.count, run.step * row, row}, {row, 1, 1}};
  }
  CopyArgs run_args(Operands in, const IndexRun& run) const {
    return copy_args(run_loops(in, run), element_bytes(in), label());
  }

  std::string name_;
  int64_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_gather(const Node& node) { return std::make_unique<Gather>(node); }

}  // namespace tally
