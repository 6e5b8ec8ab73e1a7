#include "tally/engine/time_slice.h"

#include <algorithm>

#include "tally/engine/preparation.h"
#include "tally/platforms/exact_copy.h"

namespace tally {

namespace {

/// `outer` pieces of `piece` bytes, `stride` bytes apart in the table, of which there are `extent` slices.
class SliceStep final : public Step {
 public:
  SliceStep(BufferId table, BufferId y, int64_t outer, int64_t extent, int64_t piece)
      : table_(table), y_(y), outer_(outer), extent_(extent), piece_(piece) {
    planned.tally.bytes_loaded = planned.loaded_weights = outer * piece;
    planned.tally.bytes_stored = planned.stored_outputs = outer * piece;
    cycles = static_cast<double>(outer) * (10 + static_cast<double>(piece) / 32);
  }

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<Bound>();
    bound->table = buffers.address[static_cast<size_t>(table_)];
    bound->y = buffers.address[static_cast<size_t>(y_)];
    bound->outer = outer_;
    bound->extent = extent_;
    bound->piece = piece_;
    return bound;
  }
  std::vector<BufferId> buffers() const override { return {table_, y_}; }
  bool on_host() const override { return true; }

 private:
  struct Bound : BoundStep {
    const std::byte* table = nullptr;
    std::byte* y = nullptr;
    int64_t outer = 0, extent = 0, piece = 0;

    void run(const RunEnv& env, int64_t, int64_t) const noexcept override {
      const int64_t at = std::min(env.position, extent - 1);
      for (int64_t i = 0; i < outer; ++i) copy_once(y + i * piece, table + (i * extent + at) * piece, piece);
      if (!env.tally) return;
      env.tally->bytes_loaded += outer * piece;
      env.tally->bytes_stored += outer * piece;
    }
  };

  BufferId table_, y_;
  int64_t outer_, extent_, piece_;
};

class TimeSlice final : public Layer {
 public:
  TimeSlice(const Node& node, int axis) : Layer(node), axis_(static_cast<size_t>(axis)) {}

  std::vector<TensorType> infer(Operands in) const override {
    Shape shape = in[0].shape;
    shape[axis_] = 1;
    return {{in[0].dtype, shape}};
  }

  /// Nothing: no ONNX node stands for it.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.coverage = Coverage::free;
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    return {{"time_slice", {Layout::plain}, {Layout::plain}, 1, 0}};
  }

  void prepare(const Candidate&, Preparation& preparation) const override {
    const Operand& table = preparation.inputs()[0];
    int64_t outer = 1, inner = 1;
    for (size_t d = 0; d < table.shape.size(); ++d) (d < axis_ ? outer : inner) *= d == axis_ ? 1 : table.shape[d];
    const int64_t piece = bytes_of(table.dtype, inner);
    preparation.add_step(std::make_unique<SliceStep>(preparation.input(0).buffer, preparation.output(0).buffer, outer,
                                                     table.shape[axis_], piece));
  }

 private:
  size_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_time_slice(const std::string& table, int axis) {
  Node node;
  node.op = "TimeSlice";
  node.name = table + " at its step";
  return std::make_unique<TimeSlice>(node, axis);
}

}  // namespace tally
