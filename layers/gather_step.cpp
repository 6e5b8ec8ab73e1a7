#include "tally/layers/gather_step.h"

#include <cstring>

#include "tally/layers/host_layer.h"
#include "tally/layers/indices.h"

namespace tally {

namespace {

constexpr int64_t kLongRow = 32;  ///< bytes from which on a call of the kernel pays

class BoundGather final : public BoundStep {
 public:
  GatherArgs args;
  const std::byte* x = nullptr;
  IndexReader indices;
  std::byte* y = nullptr;

  void run(const RunEnv& env, int64_t begin, int64_t end) const noexcept override {
    int64_t item = begin;
    if (args.row_bytes >= kLongRow) {
      CopyArgs row;
      row.element_bytes = 1;
      row.size[0] = args.row_bytes;
      row.x_stride[0] = row.y_stride[0] = 1;
      for (; item < end; ++item) {
        row.x = source(item);
        row.y = y + item * args.row_bytes;
        env.kernels->copy_nd(row, 0, args.row_bytes, env.tally);
      }
    } else {
      for (; item < end; ++item) copy_short(y + item * args.row_bytes, source(item));
      if (env.tally) {
        env.tally->bytes_loaded += (item - begin) * args.row_bytes;
        env.tally->bytes_stored += (item - begin) * args.row_bytes;
      }
    }
    if (env.tally) env.tally->bytes_loaded += (item - begin) * indices.bytes();
  }

 private:
  const std::byte* source(int64_t item) const {
    const int64_t o = item / args.count, k = item % args.count;
    return x + (o * args.n + clamped_index(indices[k], args.n)) * args.row_bytes;
  }

  void copy_short(std::byte* to, const std::byte* from) const {
    switch (args.row_bytes) {
      case 4:
        std::memcpy(to, from, 4);
        return;
      case 8:
        std::memcpy(to, from, 8);
        return;
      default:
        for (int64_t i = 0; i < args.row_bytes; ++i) to[i] = from[i];
    }
  }
};

class GatherStep final : public Step {
 public:
  GatherStep(const GatherArgs& args, BufferId x, BufferId indices, BufferId y)
      : args_(args), x_(x), indices_(indices), y_(y) {
    items = args.outer * args.count;
  }

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<BoundGather>();
    bound->args = args_;
    bound->x = buffers.address[static_cast<size_t>(x_)];
    bound->indices = {buffers.address[static_cast<size_t>(indices_)], args_.wide_indices};
    bound->y = buffers.address[static_cast<size_t>(y_)];
    return bound;
  }
  std::vector<BufferId> buffers() const override { return {x_, indices_, y_}; }

 private:
  GatherArgs args_;
  BufferId x_, indices_, y_;
};

}  // namespace

double gather_cycles(const GatherArgs& args) {
  constexpr double kRowCycles = 20, kBytesPerCycle = 16;
  return kStepCycles + static_cast<double>(args.outer * args.count) *
                           (kRowCycles + static_cast<double>(args.row_bytes) / kBytesPerCycle);
}

void add_gather_step(Preparation& p, const GatherArgs& args, const GatherEnd& x, const GatherEnd& indices, BufferId y) {
  const int64_t rows = args.outer * args.count;
  if (rows == 0 || args.row_bytes == 0) return;
  auto step = std::make_unique<GatherStep>(args, x.buffer, indices.buffer, y);
  const int64_t row_bytes = rows * args.row_bytes, index_bytes = rows * (args.wide_indices ? 8 : 4);
  const int64_t weights = (x.constant ? row_bytes : 0) + (indices.constant ? index_bytes : 0);
  step->planned = host_planned(row_bytes + index_bytes - weights, weights, row_bytes);
  step->cycles = gather_cycles(args);
  p.add_step(std::move(step));
}

}  // namespace tally
