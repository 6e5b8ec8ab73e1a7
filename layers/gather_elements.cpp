// GatherElements: Y[i] = X[i, but indices[i] along the axis]. GatherND: Y[b, j, …] = X[b, indices[b, j], …], the
// indices' last axis holding a tuple of coordinates. Indices known at load are checked there; others that lie outside
// read the nearest element, as a run cannot fail.
#include "tally/layers/host_layer.h"
#include "tally/layers/indices.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr int kX = 0, kIndices = 1;

/// What both share: they move what the indices choose, and compute nothing.
class Gathering : public HostLayer {
 public:
  using HostLayer::HostLayer;
  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }
  int64_t bytes_used(int input, Operands in, std::span<const TensorType> out) const override {
    if (input != kX || !in[kX].constant) return -1;
    return std::min(element_count(in[kX].shape), element_count(out[0].shape)) * element_bytes(in);
  }
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX " + op() + ", opset 11 to 24: moves data only";
    return cost;
  }

 protected:
  int64_t element_bytes(Operands in) const { return whole_element_bytes(in[kX].dtype, label()); }
};

class GatherElements final : public Gathering {
 public:
  explicit GatherElements(const Node& node) : Gathering(node), axis_(node.get_int("axis", 0)) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    element_bytes(in);
    const ElementWalk walk = element_walk(label(), in[kX].shape, in[kIndices].shape, axis_);
    check_indices(label(), in[kIndices], walk.axis_extent);
    return {{in[kX].dtype, in[kIndices].shape}};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[kX];
    if (t < 0 || t != time_axes[kIndices] ||
        t == normalize_axis(axis_, static_cast<int64_t>(in[kX].shape.size()), label()))
      return stream_obstacle("chooses among time steps");
    return stream_unchanged(t);
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const ElementWalk walk = element_walk(label(), in[kX].shape, in[kIndices].shape, axis_);
    const bool wide = in[kIndices].dtype == DType::i64;
    with_element_bytes(element_bytes(in), [&](auto element) {
      using E = decltype(element);
      const auto run = [walk, wide](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
        const E* x = reinterpret_cast<const E*>(at[0]);
        const IndexReader indices{at[1], wide};
        E* y = reinterpret_cast<E*>(at[2]);
        int64_t i = 0;
        for (int64_t row = 0; row < walk.rows; ++row) {
          const E* from = x + row_offset(row, walk.sizes, walk.strides);
          for (int64_t j = 0; j < walk.inner; ++j, ++i)
            y[i] = from[j * walk.inner_stride + clamped_index(indices[i], walk.axis_extent) * walk.axis_stride];
        }
        if (!tally) return;
        tally->bytes_loaded += i * (int64_t{sizeof(E)} + indices.bytes());
        tally->bytes_stored += i * int64_t{sizeof(E)};
      };
      const int64_t n = walk.rows * walk.inner, bytes = n * int64_t{sizeof(E)};
      add_host_step(p, {p.input(kX).buffer, p.input(kIndices).buffer, p.output(0).buffer},
                    host_planned(p, {{kX, bytes}, {kIndices, n * (wide ? 8 : 4)}}, bytes), candidate.cycles, run);
    });
  }

 private:
  int64_t axis_;
};

class GatherND final : public Gathering {
 public:
  explicit GatherND(const Node& node) : Gathering(node), batch_dims_(node.get_int("batch_dims", 0)) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    element_bytes(in);
    const TupleWalk walk = tuple_walk(label(), in[kX].shape, in[kIndices], batch_dims_);
    Shape y(in[kIndices].shape.begin(), in[kIndices].shape.end() - 1);
    y.insert(y.end(), in[kX].shape.begin() + batch_dims_ + walk.width(), in[kX].shape.end());
    element_count(y, label());
    return {{in[kX].dtype, y}};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const TupleWalk walk = tuple_walk(label(), in[kX].shape, in[kIndices], batch_dims_);
    const int64_t row_bytes = walk.row * element_bytes(in), element = element_bytes(in);
    const auto run = [walk, row_bytes, element](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                Tally* tally) noexcept {
      const auto* indices = reinterpret_cast<const int64_t*>(at[1]);
      int64_t tuple = 0;
      for (int64_t b = 0; b < walk.batches; ++b)
        for (int64_t j = 0; j < walk.tuples; ++j, ++tuple) {
          int64_t from = b * walk.batch_stride;
          for (size_t k = 0; k < walk.extents.size(); ++k)
            from += clamped_index(indices[tuple * walk.width() + static_cast<int64_t>(k)], walk.extents[k]) *
                    walk.strides[k];
          std::memcpy(at[2] + tuple * row_bytes, at[0] + from * element, static_cast<size_t>(row_bytes));
        }
      if (!tally) return;
      tally->bytes_loaded += tuple * (row_bytes + walk.width() * 8);
      tally->bytes_stored += tuple * row_bytes;
    };
    const int64_t tuples = row_bytes == 0 ? 0 : walk.batches * walk.tuples;
    if (tuples == 0) return;
    add_host_step(
        p, {p.input(kX).buffer, p.input(kIndices).buffer, p.output(0).buffer},
        host_planned(p, {{kX, tuples * row_bytes}, {kIndices, tuples * walk.width() * 8}}, tuples * row_bytes),
        candidate.cycles, run);
  }

 private:
  int64_t batch_dims_;
};

}  // namespace

std::unique_ptr<Layer> make_gather_elements(const Node& node) { return std::make_unique<GatherElements>(node); }
std::unique_ptr<Layer> make_gather_nd(const Node& node) { return std::make_unique<GatherND>(node); }

}  // namespace tally
