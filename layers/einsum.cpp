// Einsum: Y[output labels] = Σ Π_i X_i[labels of term i] over the labels that the output lacks. ONNX Einsum, opset 12
// to 24; an extent of 1 meets any other, as in numpy.
#include <algorithm>
#include <limits>

#include "tally/layers/einsum_methods.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class Einsum final : public Layer {
 public:
  explicit Einsum(const Node& node) : Layer(node) {
    if (!node.attributes.contains("equation")) fail(label(), "no equation", "must have the attribute equation");
    equation_ = read_einsum(node.get_string("equation", ""), label());
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, equation_.terms.size());
    const DType type = in[0].dtype;
    if (!with_number_type(type, [](auto) {}))
      fail(label(), text("operand 0 of type ", name_of(type)), "must be a number");
    for (size_t i = 1; i < in.size(); ++i)
      if (in[i].dtype != type)
        fail(label(), text("operand ", i, " of type ", name_of(in[i].dtype)),
             text("must be ", name_of(type), " like operand 0"));
    return {{type, resolve_einsum(equation_, in, label()).y}};
  }

  Role role(int, Operands) const override { return equation_.terms.size() > 1 ? Role::weight : Role::activation; }

  // By its contraction: every operand is summed over the labels that it alone has, one addition an element; then the
  // operands are multiplied pair by pair, each product one multiply-accumulate for every combination of the labels that
  // the two have, in the order of pairs that takes the fewest.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const EinsumTask task = task_of(in);
    Cost cost;
    cost.source = "ONNX Einsum, opset 12: by its contraction, two operands at a time";
    for (const EinsumStage& stage : task.stages) {
      if (!stage.product() && stage.summed() == 0) continue;  // moves data only
      std::vector<Factor> factors;
      for_labels(stage.labels(), [&](int l) {
        const auto i = static_cast<size_t>(l);
        factors.push_back({task.shape.names[i].c_str(), task.shape.extents[i]});
      });
      if (factors.empty()) factors.push_back({"1", 1});
      cost.formulas.push_back(product(label(), stage.product() ? "macs" : "elementwise", factors));
      add(stage.product() ? cost.macs : cost.elementwise, cost.formulas.back().value);
    }
    cost.macs_nopad = cost.macs;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override;

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType>) const override {
    const EinsumTask task = task_of(in);
    if (only_moves(task))
      return {candidate("copy", kCopy, copy_stage_cycles(task, task.stages[0], context.kernels->geometry), in)};
    double host = 0, gemm = 0;
    bool any = false;
    for (const EinsumStage& stage : task.stages) {
      const double plain = host_stage_cycles(task, stage);
      const std::optional<double> matrix = gemm_stage_cycles(task, stage, context);
      host += plain;
      gemm += matrix ? *matrix : plain;
      any = any || matrix;
    }
    std::vector<Candidate> list = {candidate("host", kHost, host, in)};
    if (any) list.push_back(candidate("gemm", kGemm, gemm, in));
    return list;
  }

  void prepare(const Candidate& candidate, Preparation& preparation) const override {
    if (element_count(preparation.outputs()[0].shape) == 0) return;
    const EinsumTask task = task_of(preparation.inputs());
    const EinsumBuffers buffers(task, preparation);
    const PlanContext context{&preparation.kernels()};
    for (const EinsumStage& stage : task.stages) {
      if (candidate.variant == kCopy)
        add_copy_stage(task, stage, buffers, preparation);
      else if (candidate.variant == kGemm && gemm_stage_cycles(task, stage, context))
        add_gemm_stage(task, stage, buffers, preparation);
      else
        add_host_stage(task, stage, buffers, preparation);
    }
  }

 private:
  enum Variant { kHost, kGemm, kCopy };

  EinsumTask task_of(Operands in) const {
    EinsumTask task{resolve_einsum(equation_, in, label()), {}, in, label()};
    task.stages = einsum_stages(task.shape, in[0].dtype != DType::f32);
    return task;
  }

  static bool only_moves(const EinsumTask& task) { return task.in.size() == 1 && task.stages[0].summed() == 0; }

  static Candidate candidate(const char* kernel, Variant variant, double cycles, Operands in) {
    Candidate c = uniform_candidate(kernel, in.size(), 1, Layout::plain, Layout::plain, cycles);
    c.variant = variant;
    return c;
  }

  void add(int64_t& sum, int64_t value) const {
    if (value > std::numeric_limits<int64_t>::max() - sum)
      fail(label(), "the work of all its products", "must fit 63 bits", ErrorCode::limit);
    sum += value;
  }

  EinsumEquation equation_;
};

// Time runs along one label, which the output must have: every step then has its own term.
StreamStep Einsum::stream(Operands in, std::span<const int> time_axes) const {
  const EinsumShape s = resolve_einsum(equation_, in, label());
  int time = kNoLabel;
  int64_t steps = 1;
  for (size_t i = 0; i < in.size(); ++i) {
    if (time_axes[i] == kNoTimeAxis) continue;
    const auto axis = static_cast<size_t>(time_axes[i]);
    const int here = s.axes[i][axis];
    if (time != kNoLabel && here != time) return stream_obstacle("multiplies time steps with each other");
    if (std::count(s.axes[i].begin(), s.axes[i].end(), here) > 1) return stream_obstacle("takes a diagonal over time");
    time = here;
    steps = std::max(steps, in[i].shape[axis]);
  }
  if (time == kNoLabel) return stream_unchanged(kNoTimeAxis);
  const auto at = std::find(s.output_axes.begin(), s.output_axes.end(), time);
  if (at == s.output_axes.end()) return stream_obstacle("sums over time");
  StreamStep step = stream_unchanged(static_cast<int>(at - s.output_axes.begin()));
  for (size_t i = 0; i < in.size(); ++i) {
    if (time_axes[i] != kNoTimeAxis) continue;
    const auto count = std::count(s.axes[i].begin(), s.axes[i].end(), time);
    if (count == 0) continue;
    if (count > 1) return stream_obstacle("takes a diagonal over time");
    const auto axis = std::find(s.axes[i].begin(), s.axes[i].end(), time) - s.axes[i].begin();
    if (std::string why = meet_time(step, in, static_cast<int>(i), static_cast<int>(axis), steps); !why.empty())
      return stream_obstacle(std::move(why));
  }
  return step;
}

}  // namespace

std::unique_ptr<Layer> make_einsum(const Node& node) { return std::make_unique<Einsum>(node); }

}  // namespace tally
