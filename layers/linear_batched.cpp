// MatMul with batch dimensions on both sides: every distinct B is packed once, then one step runs all products.
#include <algorithm>

#include "tally/layers/host_step.h"
#include "tally/layers/linear_methods.h"
#include "tally/platforms/kernels/planned_gemm.h"

namespace tally {

namespace {

/// Where the matrices of a batch lie, in elements.
struct Batch {
  Shape extents, a, b, packed;
  Shape distinct;  ///< extents along which B varies, 1 elsewhere
  int64_t count = 1, distinct_count = 1;
  int64_t c = 0;  ///< between two matrices of Y
};

Batch batch_of(const LinearShape& s, int64_t weight_elements) {
  Batch batch{s.batch, s.a_batch, s.b_batch, {}, s.batch, s.batches(), 1, s.M * s.N};
  batch.packed.assign(s.batch.size(), 0);
  for (size_t d = s.batch.size(); d-- > 0;) {
    if (s.b_batch[d] == 0) {
      batch.distinct[d] = 1;
      continue;
    }
    batch.packed[d] = batch.distinct_count * weight_elements;
    batch.distinct_count *= s.batch[d];
  }
  return batch;
}

void pack_all(const GemmTables& tables, const Geometry& geometry, const Batch& batch, const float* raw, float* packed) {
  for (int64_t i = 0; i < batch.distinct_count; ++i)
    tables.pack_weights(geometry, raw + batch_offset(batch.distinct, batch.b, i),
                        packed + i * tables.packing.weight_elements);
}

/// All products of a batch. Items: those of one product, matrix after matrix.
class BatchedGemm final : public Step {
 public:
  std::shared_ptr<const GemmTables> tables;
  Batch batch;
  BufferId a, w, c, residual;

  BatchedGemm(std::shared_ptr<const GemmTables> t, Batch b, BufferId a_id, BufferId w_id, BufferId c_id,
              BufferId residual_id)
      : tables(std::move(t)), batch(std::move(b)), a(a_id), w(w_id), c(c_id), residual(residual_id) {
    items = batch.count * tables->args.items();
  }
  /// That of one product, as often as there are products.
  LoopNest nest(const Geometry& geometry) const override {
    LoopNest nest = loop_nest(described(tables->args, false, residual >= 0), geometry);
    nest.loops.insert(nest.loops.begin(), "for product in " + std::to_string(batch.count));
    for (LoopNest::Part& part : nest.parts) {
      part.symbols = "products·(" + part.symbols + ")";
      part.numbers = std::to_string(batch.count) + "·(" + part.numbers + ")";
      part.value *= batch.count;
    }
    return nest;
  }
  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<Bound>();
    bound->step = this;
    const auto at = [&](BufferId id) {
      return id < 0 ? nullptr : reinterpret_cast<float*>(buffers.address[static_cast<size_t>(id)]);
    };
    bound->a = at(a);
    bound->w = at(w);
    bound->c = at(c);
    bound->residual = at(residual);
    return bound;
  }
  std::vector<BufferId> buffers() const override {
    std::vector<BufferId> ids = {a, w, c};
    if (residual >= 0) ids.push_back(residual);
    return ids;
  }

 private:
  struct Bound : BoundStep {
    const BatchedGemm* step = nullptr;
    const float *a = nullptr, *w = nullptr, *residual = nullptr;
    float* c = nullptr;

    void run(const RunEnv& env, int64_t begin, int64_t end) const noexcept override {
      for_each_matrix(begin, end, [&](const GemmArgs& args, int64_t first, int64_t last) {
        env.kernels->gemm[static_cast<int>(Num::f32)](args, first, last, env.tally);
      });
    }
    bool trace(const KernelTable& kernels, int64_t begin, int64_t end, AccessSink& sink) const override {
      for_each_matrix(begin, end, [&](const GemmArgs& args, int64_t first, int64_t last) {
        tally::trace(args, kernels.geometry, Num::f32, first, last, sink);
      });
      return true;
    }

    /// body(args, first item, end item) for each product that items [begin, end) touch.
    template <class Body>
    void for_each_matrix(int64_t begin, int64_t end, Body body) const {
      const Batch& batch = step->batch;
      GemmArgs args = step->tables->args;
      const int64_t one = args.items();
      while (begin < end) {
        const int64_t matrix = begin / one, first = begin - matrix * one;
        const int64_t last = std::min(one, first + end - begin);
        args.a = a + batch_offset(batch.extents, batch.a, matrix);
        args.w = w + batch_offset(batch.extents, batch.packed, matrix);
        args.c = c + matrix * batch.c;
        args.residual = residual ? residual + matrix * batch.c : nullptr;
        body(args, first, last);
        begin += last - first;
      }
    }
  };
};

BufferId add_packed_batch(const LinearTask& task, const std::shared_ptr<GemmTables>& tables, const Batch& batch,
                          Preparation& preparation) {
  const Operand& b = task.in[Linear::kB];
  const int64_t packed_elements = batch.distinct_count * tables->packing.weight_elements;
  if (b.constant) {
    AlignedBuffer packed(packed_elements * int64_t{sizeof(float)});
    pack_all(*tables, preparation.geometry(), batch, b.constant->values<float>().data(),
             reinterpret_cast<float*>(packed.data()));
    return preparation.add_weights(std::move(packed), b.name + " packed");
  }
  const BufferId target = preparation.add_scratch(packed_elements * int64_t{sizeof(float)});
  const int64_t raw_bytes = 4 * batch.distinct_count * task.shape.K * task.shape.N;
  auto run = [=, geometry = preparation.geometry()](const std::vector<std::byte*>& p, int64_t, int64_t,
                                                    Tally* tally) noexcept {
    pack_all(*tables, geometry, batch, reinterpret_cast<const float*>(p[0]), reinterpret_cast<float*>(p[1]));
    if (!tally) return;
    tally->bytes_loaded += raw_bytes;
    tally->bytes_stored += 4 * packed_elements;
  };
  Planned planned;
  planned.loaded_activations = planned.tally.bytes_loaded = raw_bytes;
  planned.stored_scratch = planned.tally.bytes_stored = 4 * packed_elements;
  add_host_step(preparation, {preparation.input(Linear::kB).buffer, target}, planned,
                static_cast<double>(packed_elements), std::move(run));
  return target;
}

}  // namespace

void add_batched_steps(const LinearTask& task, const std::shared_ptr<GemmTables>& tables, double cycles,
                       Preparation& preparation) {
  const Batch batch = batch_of(task.shape, tables->packing.weight_elements);
  const BufferId packed = add_packed_batch(task, tables, batch, preparation);
  const BufferId residual = task.tail.residual ? preparation.input(Linear::kResidual).buffer : -1;
  auto step = std::make_unique<BatchedGemm>(tables, batch, preparation.input(Linear::kA).buffer, packed,
                                            preparation.output(0).buffer, residual);
  Planned planned =
      planned_gemm(described(tables->args, false, residual >= 0), Num::f32, preparation.geometry()) * batch.count;
  if (!task.in[Linear::kB].constant) {
    planned.loaded_scratch += planned.loaded_weights;
    planned.loaded_weights = 0;
  }
  step->planned = planned;
  step->cycles = cycles;
  preparation.add_step(std::move(step));
}

}  // namespace tally
