// Where: Y = condition ? X : Y, all three broadcast together. ONNX Where, opset 9 to 24.
#include <array>

#include "tally/layers/absorb.h"
#include "tally/layers/copy_steps.h"
#include "tally/layers/elementwise.h"
#include "tally/layers/host_step.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr int kCondition = 0, kX = 1, kY = 2;

/// One loop over the result with the strides of the three operands, in elements.
struct SelectLoop {
  int64_t size = 1;
  std::array<int64_t, 3> stride{};
};

std::vector<SelectLoop> select_loops(Operands in, const Shape& shape) {
  std::vector<SelectLoop> loops;
  std::array<Shape, 3> aligned, strides;
  for (size_t i = 0; i < 3; ++i) {
    aligned[i] = with_leading_ones(in[i].shape, shape.size());
    strides[i] = row_major_strides(aligned[i]);
  }
  for (size_t d = 0; d < shape.size(); ++d) {
    SelectLoop loop{shape[d], {}};
    for (size_t i = 0; i < 3; ++i) loop.stride[i] = aligned[i][d] == 1 ? 0 : strides[i][d];
    if (loop.size == 1) continue;
    bool joins = !loops.empty();
    for (size_t i = 0; joins && i < 3; ++i) joins = loops.back().stride[i] == loop.stride[i] * loop.size;
    if (joins)
      loops.back() = {loops.back().size * loop.size, loop.stride};
    else
      loops.push_back(loop);
  }
  if (loops.empty()) loops.push_back({});
  return loops;
}

/// Selects elements of T's size; returns how many.
template <class T>
int64_t select(std::span<const SelectLoop> loops, const uint8_t* condition, const T* x, const T* y, T*& out) {
  const SelectLoop& loop = loops.front();
  const auto [c_stride, x_stride, y_stride] = loop.stride;
  if (loops.size() == 1) {
    for (int64_t i = 0; i < loop.size; ++i) out[i] = condition[i * c_stride] ? x[i * x_stride] : y[i * y_stride];
    out += loop.size;
    return loop.size;
  }
  int64_t done = 0;
  for (int64_t i = 0; i < loop.size; ++i)
    done += select(loops.subspan(1), condition + i * c_stride, x + i * x_stride, y + i * y_stride, out);
  return done;
}

struct Bytes16 {
  uint64_t half[2];
};

template <class F>
void with_element_of(int64_t bytes, F f) {
  if (bytes == 1) f(uint8_t{});
  if (bytes == 2) f(uint16_t{});
  if (bytes == 4) f(uint32_t{});
  if (bytes == 8) f(uint64_t{});
  if (bytes == 16) f(Bytes16{});
}

/// Cycles an element takes: measured 1 to 2 on an x86-64 core, operands in cache.
constexpr double kCyclesPerElement = 2;

class Where final : public Layer, public BroadcastsOperands {
 public:
  bool broadcasts() const override { return true; }
  explicit Where(const Node& node) : Layer(node) {}

  Role role(int input, Operands in) const override { return elementwise_role(in[static_cast<size_t>(input)]); }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 3, 3);
    if (in[kCondition].dtype != DType::boolean)
      fail(label(), text("condition of type ", name_of(in[kCondition].dtype)), "must be bool");
    whole_element_bytes(in[kX].dtype, label());
    if (in[kY].dtype != in[kX].dtype)
      fail(label(), text("Y of type ", name_of(in[kY].dtype)), text("must be ", name_of(in[kX].dtype), " like X"));
    std::optional<Shape> both = broadcast(in[kX].shape, in[kY].shape);
    if (!both)
      fail(label(), text("Y of shape ", to_string(in[kY].shape)),
           text("must broadcast with X of shape ", to_string(in[kX].shape)));
    const Shape values = *both;
    both = broadcast(in[kCondition].shape, values);
    if (!both)
      fail(label(), text("condition of shape ", to_string(in[kCondition].shape)),
           text("must broadcast with ", to_string(values)));
    return {{in[kX].dtype, *both}};
  }

  // A selection computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Where, opset 9: moves data only";
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_broadcast(in, time_axes);
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType> out) const override {
    const double cycles = kStepCycles + kCyclesPerElement * static_cast<double>(element_count(out[0].shape));
    return {uniform_candidate("host", 3, 1, Layout::plain, Layout::plain, cycles)};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Shape& shape = p.outputs()[0].shape;
    const int64_t n = element_count(shape), bytes = whole_element_bytes(p.outputs()[0].dtype, label());
    if (n == 0) return;
    with_element_of(bytes, [&](auto element) {
      using T = decltype(element);
      const auto run = [loops = select_loops(p.inputs(), shape)](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                                 Tally* tally) noexcept {
        T* out = reinterpret_cast<T*>(at[3]);
        const int64_t done = select(std::span(loops), reinterpret_cast<const uint8_t*>(at[kCondition]),
                                    reinterpret_cast<const T*>(at[kX]), reinterpret_cast<const T*>(at[kY]), out);
        if (!tally) return;
        tally->bytes_loaded += done * (1 + 2 * int64_t{sizeof(T)});
        tally->bytes_stored += done * int64_t{sizeof(T)};
      };
      int64_t activations = 0, weights = 0;
      for (size_t i = 0; i < 3; ++i)
        (p.inputs()[i].constant ? weights : activations) += n * (i == kCondition ? 1 : bytes);
      add_host_step(p, {p.input(kCondition).buffer, p.input(kX).buffer, p.input(kY).buffer, p.output(0).buffer},
                    host_planned(activations, weights, n * bytes), candidate.cycles, run);
    });
  }
};

}  // namespace

std::unique_ptr<Layer> make_where(const Node& node) { return std::make_unique<Where>(node); }

}  // namespace tally
