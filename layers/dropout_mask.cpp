// Dropout at inference where its mask is wanted too: the data unchanged, and a mask that keeps everything.
#include "tally/layers/dropout_mask.h"

#include "tally/layers/absorb.h"
#include "tally/layers/copy_steps.h"
#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

void check_dropout(const std::string& who, Operands in) {
  const auto value = [&](size_t i) -> const Tensor* {
    return in.size() > i && in[i].present ? in[i].constant : nullptr;
  };
  if (in.size() > 2 && in[2].present && element_count(in[2].shape) != 1)
    fail(who, "training_mode of shape " + to_string(in[2].shape), "must be a scalar");
  const Tensor *ratio = value(1), *training = value(2);
  if (!training || !training->has_data()) return;
  if (training->elements() != 1)
    fail(who, text("training_mode of shape ", to_string(training->shape())), "must have one element");
  if (training->to_int64()[0] == 0) return;
  // Exporters keep training_mode=true of what was called with a ratio of 0.
  if (ratio && ratio->has_data() && ratio->elements() == 1 && ratio->to_double()[0] == 0) return;
  fail(who, "training_mode=true", "must be false (out of scope: training)");
}

namespace {

class DropoutMask final : public Layer, public MayDoNothing {
 public:
  explicit DropoutMask(const Node& node) : Layer(node), boolean_(node.opset >= 10) {
    if (node.opset < 7 && node.get_int("is_test", 0) == 0)
      fail(label(), "is_test=0", "must be 1 (out of scope: training)");
  }

  bool needs_value(int input) const override { return input == 2; }
  bool does_nothing(Operands) const override { return true; }  // where nobody reads the mask

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 3);
    if (!with_number_type(in[0].dtype, [](auto) {}))
      fail(label(), text("data of type ", name_of(in[0].dtype)), "must be a number");
    check_dropout(label(), in);
    return {{in[0].dtype, in[0].shape}, {boolean_ ? DType::boolean : in[0].dtype, in[0].shape}};
  }

  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.view = true;
    cost.coverage = Coverage::free;
    cost.source = "ONNX Dropout: nothing at inference";
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    StreamStep step = stream_elements(in, time_axes);
    step.time_axes.resize(2, time_axes[0]);
    return step;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override {
    const Geometry& g = context.kernels->geometry;
    const double cycles = copy_cycles(make_args(out[0], 1), g) + copy_cycles(make_args(out[1], 0), g);
    return {uniform_candidate("copy", in.size(), 2, Layout::plain, Layout::plain, cycles)};
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Placement x = p.input(0), y = p.output(0), mask = p.output(1);
    if (y.buffer >= 0)
      add_copy_step(p, make_args(y.type, 1), {x.buffer, 0, p.inputs()[0].constant != nullptr}, {y.buffer});
    if (mask.buffer < 0) return;
    AlignedBuffer keep(16);
    with_number_type(boolean_ ? DType::u8 : mask.type.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      *keep.as<T>() = from_sum<T>(1);
    });
    add_copy_step(p, make_args(mask.type, 0), {p.add_weights(std::move(keep), label() + " kept"), 0, true},
                  {mask.buffer});
  }

 private:
  CopyArgs make_args(const TensorType& y, int64_t x_stride) const {
    return copy_args({{element_count(y.shape), x_stride, 1}}, whole_element_bytes(y.dtype, label()), label());
  }

  bool boolean_;
};

}  // namespace

std::unique_ptr<Layer> make_dropout_mask(const Node& node) { return std::make_unique<DropoutMask>(node); }

}  // namespace tally
