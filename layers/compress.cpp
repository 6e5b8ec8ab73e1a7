// Compress: Y = the slices of X along one axis (or, without axis, the elements of X laid flat) where the condition is
// true. The condition must be known when a plan is made, X need not be.
#include "tally/layers/copy_steps.h"
#include "tally/layers/gather_step.h"
#include "tally/layers/indices.h"

namespace tally {

namespace {

constexpr int kX = 0, kCondition = 1;
constexpr size_t kMaxRuns = 64;  ///< copies, before rows are looked up in a table

class Compress final : public Layer {
 public:
  explicit Compress(const Node& node) : Layer(node) {
    if (node.has("axis")) axis_ = node.get_int("axis", 0);
  }

  bool needs_value(int input) const override { return input == kCondition; }
  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    whole_element_bytes(in[kX].dtype, label());
    if (in[kCondition].dtype != DType::boolean || in[kCondition].shape.size() != 1)
      fail(label(), text("condition of type ", name_of(in[kCondition].dtype), ", rank ", in[kCondition].shape.size()),
           "must be bool, rank 1");
    const auto kept = static_cast<int64_t>(chosen(in).size());
    if (!axis_) return {{in[kX].dtype, {kept}}};
    Shape y = in[kX].shape;
    y[static_cast<size_t>(normalize_axis(*axis_, static_cast<int64_t>(y.size()), label()))] = kept;
    return {{in[kX].dtype, y}};
  }

  // Moves what the condition chooses and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Compress, opset 9 to 24: moves data only";
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    return {uniform_candidate("copy", 2, 1, Layout::plain, Layout::plain, gather_cycles(args(in)))};
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Operands in = p.inputs();
    const GatherArgs a = args(in);
    const std::vector<int64_t> indices = chosen(in);
    const bool constant = in[kX].constant != nullptr;
    const BufferId x = p.input(kX).buffer, y = p.output(0).buffer;
    if (const auto runs = index_runs(indices, a.n, kMaxRuns)) {
      const int64_t bytes = whole_element_bytes(in[kX].dtype, label()), row = a.row_bytes / bytes;
      for (const IndexRun& run : *runs)
        add_copy_step(p,
                      copy_args({{a.outer, a.n * row, a.count * row}, {run.count, run.step * row, row}, {row, 1, 1}},
                                bytes, label()),
                      {x, run.first * row, constant}, {y, run.begin * row});
      return;
    }
    AlignedBuffer table(std::ssize(indices) * int64_t{sizeof(int64_t)});
    std::memcpy(table.data(), indices.data(), indices.size() * sizeof(int64_t));
    add_gather_step(p, a, {x, constant}, {p.add_weights(std::move(table), label() + " rows"), true}, y);
  }

 private:
  int64_t extent(Operands in) const {
    const Shape& x = in[kX].shape;
    if (!axis_) return element_count(x, label());
    return x[static_cast<size_t>(normalize_axis(*axis_, static_cast<int64_t>(x.size()), label()))];
  }

  std::vector<int64_t> chosen(Operands in) const {
    const auto condition = in[kCondition].constant->values<uint8_t>();
    if (static_cast<int64_t>(condition.size()) > extent(in))
      fail(label(), text("condition of ", condition.size(), " elements"), text("must have at most ", extent(in)));
    std::vector<int64_t> list;
    for (size_t i = 0; i < condition.size(); ++i)
      if (condition[i]) list.push_back(static_cast<int64_t>(i));
    return list;
  }

  GatherArgs args(Operands in) const {
    const Shape& x = in[kX].shape;
    GatherArgs args;
    args.row_bytes = whole_element_bytes(in[kX].dtype, label());
    args.n = extent(in);
    args.count = static_cast<int64_t>(chosen(in).size());
    if (!axis_) return args;
    const auto at = static_cast<std::ptrdiff_t>(normalize_axis(*axis_, static_cast<int64_t>(x.size()), label()));
    args.outer = element_count(Shape(x.begin(), x.begin() + at));
    args.row_bytes *= element_count(Shape(x.begin() + at + 1, x.end()));
    return args;
  }

  std::optional<int64_t> axis_;
};

}  // namespace

std::unique_ptr<Layer> make_compress(const Node& node) { return std::make_unique<Compress>(node); }

}  // namespace tally
